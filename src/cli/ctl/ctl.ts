/** `ct-bucket ctl`: sends a command to a running tracker over its control socket. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { UsageError } from '../../core/errors.ts';
import { requireCommand } from '../../workers/control/commands.ts';
import { type ControlReply, type ControlRequest, MAX_REQUEST_BYTES } from '../../workers/control/protocol.ts';
import { defaultSocketPath } from '../../workers/control/socket-path.ts';
import { endWithReader } from '../../host/command-end.ts';
import { ExitCode } from '../exit-code.ts';

const CONNECT_PROBLEMS: Record<string, string> = {
  ENOENT: 'no tracker is running there: start `ct-bucket run`, or give its socket with --socket',
  ECONNREFUSED: 'the tracker has ended: start `ct-bucket run`, or give the socket of another one with --socket',
  EACCES: 'permission denied: only the user who runs the tracker may use its socket',
  ENOTSOCK: 'is not a socket: give the socket of a tracker with --socket',
  EINVAL: 'is too long for a socket path: give a shorter one with --socket',
};

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path}: ${CONNECT_PROBLEMS[code ?? ''] ?? `cannot connect (${code ?? message})`}`);
  }
  return socket;
}

/** The lines of the reply, as they come. Ends early if the connection breaks. */
async function* replies(socket: Socket): AsyncGenerator<ControlReply, void, void> {
  const parts: string[] = [];
  socket.setEncoding('utf8');
  try {
    for await (const chunk of socket as AsyncIterable<string>) {
      const lines = chunk.split('\n');
      for (const line of lines.slice(0, -1)) {
        parts.push(line);
        yield JSON.parse(parts.join('')) as ControlReply;
        parts.length = 0;
      }
      parts.push(lines.at(-1)!);
    }
  } catch (error) {
    /* EPIPE: the tracker closed the connection before the request was written. */
    if (!['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw error;
    }
  }
}

/** The options -m and -s, with the commands that use them. */
const USE_OF: Record<'more' | 'statistics', { flag: string; commands: readonly string[] }> = {
  more: { flag: '-m', commands: ['dump-conntrack', 'ct-stats-show', 'ipf-get-status', 'events'] },
  statistics: { flag: '-s', commands: ['dump-conntrack', 'events'] },
};

/** Refuses an option that the command would ignore. @throws UsageError */
function requireUsedOptions(request: ControlRequest): void {
  for (const name of ['more', 'statistics'] as const) {
    const { flag, commands } = USE_OF[name];
    if (request[name] && !commands.includes(request.command)) {
      throw new UsageError(`${request.command} has no ${flag}: it is for ${commands.join(', ')}`);
    }
  }
}

/**
 * Sends a request and prints the reply as it comes, no faster than standard output accepts it.
 * @returns the exit code
 */
export async function ctl(request: ControlRequest, options: { socket?: string }): Promise<number> {
  requireCommand(request.command);
  requireUsedOptions(request);
  endWithReader();
  const path = resolve(options.socket ?? defaultSocketPath());
  const line = `${JSON.stringify(request)}\n`;
  if (Buffer.byteLength(line) > MAX_REQUEST_BYTES) {
    throw new UsageError(`the arguments are too long: a request may have at most ${MAX_REQUEST_BYTES} bytes`);
  }
  const socket = await connected(path);
  socket.write(line);
  let isListening = request.command !== 'events';
  for await (const reply of replies(socket)) {
    if (!isListening && 'text' in reply) {
      isListening = true;
      console.error('ct-bucket: listening for events; Ctrl-C ends it');
    }
    if ('text' in reply) {
      if (!process.stdout.write(reply.text)) {
        await once(process.stdout, 'drain');
      }
    } else {
      if (reply.error !== undefined) {
        console.error(`ct-bucket: ${reply.error}`);
      }
      return reply.exitCode;
    }
  }
  console.error(`ct-bucket: ${path}: the tracker ended before its reply was complete`);
  return ExitCode.checkFailed;
}
