/** A running `ct-bucket run` and its control socket. */

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ControlReply } from '../../src/workers/control/protocol.ts';
import { afterAll } from 'vitest';
import { type ChildResult, CT_BUCKET, REPOSITORY } from './child.ts';

const started: ChildProcessWithoutNullStreams[] = [];
/* A test that fails before it stops its tracker leaves no process behind. */
afterAll(() => started.forEach((child) => child.kill('SIGKILL')));

export interface Reply {
  text: string;
  exitCode: number;
  error?: string;
}

export interface Asked {
  json?: boolean;
  more?: boolean;
  statistics?: boolean;
}

/** Connects and sends a request. The caller reads the answer. */
export async function request(socketPath: string, line: string | Record<string, unknown>): Promise<Socket> {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  socket.write(typeof line === 'string' ? line : `${JSON.stringify(line)}\n`);
  return socket;
}

/** The whole answer on a connection. */
export async function answerOn(socket: Socket): Promise<Reply> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer);
  }
  const replies = Buffer.concat(chunks)
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ControlReply);
  const last = replies.pop();
  if (last === undefined || !('exitCode' in last)) {
    throw new Error('the answer is cut off');
  }
  return { ...last, text: replies.map((reply) => ('text' in reply ? reply.text : '')).join('') };
}

export async function ask(socketPath: string, command: string, args: string[] = [], asked: Asked = {}): Promise<Reply> {
  return answerOn(await request(socketPath, { command, args, ...asked }));
}

export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<ChildResult>;
  stdout = '';
  stderr = '';

  /** Starts `ct-bucket run` and waits until it listens. @throws Error if it ends before */
  static async start(args: readonly string[], env: Record<string, string> = {}): Promise<Running> {
    const running = new Running(args, env);
    await running.until(() => /answering on /.test(running.stderr));
    return running;
  }

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [...CT_BUCKET, 'run', ...args], {
      cwd: REPOSITORY,
      env: { ...process.env, ...env },
    });
    started.push(this.child);
    this.child.stdin.on('error', () => {});
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = once(this.child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  get socketPath(): string {
    return /answering on (.*)/.exec(this.stderr)![1]!;
  }

  /** Waits until a condition on its output holds. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.child.exitCode !== null) {
        throw new Error(`ct-bucket run ended with ${this.child.exitCode}: ${this.stderr}`);
      }
      const change = new AbortController();
      const { signal } = change;
      const events = [once(this.child.stdout, 'data', { signal }), once(this.child.stderr, 'data', { signal })];
      await Promise.race([...events, once(this.child, 'exit', { signal })]).catch(() => {});
      change.abort();
      await Promise.allSettled(events);
    }
  }

  ask(command: string, args: string[] = [], asked: Asked = {}): Promise<Reply> {
    return ask(this.socketPath, command, args, asked);
  }

  async askJson<T = Record<string, number>>(command: string, args: string[] = []): Promise<T> {
    const { text, error } = await this.ask(command, args, { json: true });
    if (error !== undefined) {
      throw new Error(error);
    }
    return JSON.parse(text) as T;
  }

  /** Asks for the counters until one of them satisfies a condition. */
  async untilCounter(name: string, isSo: (value: number) => boolean): Promise<void> {
    while (!isSo((await this.askJson('counters'))[name]!)) {
      /* Each request is a round trip to the other process, so this does not spin. */
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ChildResult> {
    this.child.kill(signal);
    return this.ended;
  }
}
