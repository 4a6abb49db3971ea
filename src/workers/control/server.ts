/** The server of the control socket: takes requests and streams their answers, each no faster than its reader. */

import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { UsageError } from '../../core/errors.ts';
import { inUse } from './socket-path.ts';
import { MAX_REQUEST_BYTES, parseRequest, replyLine, type ControlReply, type ControlRequest } from './protocol.ts';

/** What is to be printed, in pieces; an empty one gives others their turn. Ended by `return` when the client goes; `signal` says so to a piece that waits. */
export type Answer = Iterable<string> | AsyncIterable<string>;
export type Answerer = (request: ControlRequest, signal: AbortSignal) => Answer;

const MAX_CLIENTS = 64;
/** Beyond them so many are told that there are too many; whoever comes then is cut off. */
const MAX_REFUSED = 64;
/** A client that has its whole answer has this long to go. */
const LINGER_MS = 1000;
/** A client that connects has this long to say what it wants. */
const REQUEST_MS = 10_000;
const LINE_FEED = 10;

/** The first line that comes. @throws UsageError when it is too long or there is none */
function requestLine(socket: Socket): Promise<string> {
  return new Promise((done, fail) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (error?: UsageError) => {
      clearTimeout(timer);
      socket.off('data', take);
      socket.off('close', over);
      socket.off('end', over);
      /* Whatever else comes is read and thrown away, so that the end of the connection is seen. */
      socket.resume();
      if (error === undefined) {
        done(Buffer.concat(chunks).toString('utf8'));
      } else {
        fail(error);
      }
    };
    const take = (chunk: Buffer) => {
      const lineBytes = chunk.indexOf(LINE_FEED);
      bytes += lineBytes < 0 ? chunk.length : lineBytes + 1;
      if (bytes > MAX_REQUEST_BYTES) {
        end(new UsageError(`a request may have ${MAX_REQUEST_BYTES} bytes`));
      } else if (lineBytes < 0) {
        chunks.push(chunk);
      } else {
        chunks.push(chunk.subarray(0, lineBytes));
        end();
      }
    };
    const over = () => end(new UsageError('the connection ended before the request'));
    const timer = setTimeout(() => end(new UsageError(`no request came in ${REQUEST_MS / 1000} s`)), REQUEST_MS);
    socket.on('data', take);
    socket.on('close', over);
    socket.on('end', over);
  });
}

/** Resolves when the socket takes more, or is closed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      socket.off('drain', end);
      socket.off('close', end);
      done();
    };
    socket.on('drain', end);
    socket.on('close', end);
  });
}

/** Writes and, when the reader is slow, waits for it. */
async function send(socket: Socket, reply: ControlReply): Promise<void> {
  if (socket.writable && !socket.write(replyLine(reply)) && socket.writable) {
    await drained(socket);
  }
}

/** Writes the last line. Whoever does not go then is cut off, so that nobody keeps others out. */
function endWith(socket: Socket, last: ControlReply): void {
  socket.end(replyLine(last), () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  });
}

/** Tells a client at once, whatever it wants, that there is no room for it. It may still be writing: what comes is read. */
function refuse(socket: Socket): void {
  socket.resume();
  endWith(socket, { exitCode: 1, error: `the tracker answers ${MAX_CLIENTS} clients already; try again` });
}

async function serve(socket: Socket, answer: Answerer, stop: AbortSignal): Promise<void> {
  const gone = new AbortController();
  /* Not half open: a client that sends no more takes no more. */
  socket.once('end', () => gone.abort());
  socket.once('close', () => gone.abort());
  let last: ControlReply = { exitCode: 0 };
  let isFirst = true;
  try {
    const request = parseRequest(await requestLine(socket));
    for await (const text of answer(request, AbortSignal.any([gone.signal, stop]))) {
      /* The first piece is sent even if it is empty: it says that the command is at work. */
      if (text !== '' || isFirst) {
        await send(socket, { text });
        isFirst = false;
      }
      /* Other clients have their turn between two pieces. */
      await turn();
      if (gone.signal.aborted || stop.aborted) {
        break;
      }
    }
    if (stop.aborted) {
      last = { exitCode: 1, error: 'the tracker is being stopped' };
    }
  } catch (error) {
    last =
      error instanceof UsageError
        ? { exitCode: 2, error: error.message }
        : { exitCode: 1, error: `internal error: ${(error as Error).message}` };
  }
  if (socket.writable) {
    endWith(socket, last);
  }
}

export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #refused = new Set<Socket>();
  readonly #answers = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  /**
   * Listens on a path that prepareSocketPath has made free. The mode of the socket is for the process's umask to say:
   * it must not be open to others for a moment, and a worker cannot set it.
   * @throws UsageError when somebody else was faster
   */
  static async listen(path: string, answer: Answerer): Promise<ControlServer> {
    const server = new ControlServer(answer);
    await new Promise<void>((done, fail) => {
      server.#server.once('error', (error: NodeJS.ErrnoException) => {
        fail(
          error.code === 'EADDRINUSE'
            ? inUse(path)
            : new UsageError(`${path}: cannot listen there (${error.code ?? error.message})`),
        );
      });
      server.#server.listen(path, done);
    });
    return server;
  }

  private constructor(answer: Answerer) {
    this.#server = createServer((socket) => {
      socket.on('error', () => {});
      const isRefused = this.#sockets.size >= MAX_CLIENTS;
      const among = isRefused ? this.#refused : this.#sockets;
      among.add(socket);
      socket.once('close', () => among.delete(socket));
      if (isRefused) {
        refuse(socket);
        return;
      }
      const served = serve(socket, answer, this.#stop.signal);
      this.#answers.add(served);
      void served.finally(() => this.#answers.delete(served));
    });
    this.#server.maxConnections = MAX_CLIENTS + MAX_REFUSED;
  }

  /**
   * Takes no more requests, ends the answers under way (cut off where a reader is slow) and removes the socket.
   * No command works any more when this resolves.
   */
  async close(graceMs: number): Promise<void> {
    this.#stop.abort();
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    const timer = setTimeout(() => {
      [...this.#sockets, ...this.#refused].forEach((socket) => socket.destroy());
    }, graceMs);
    await closed;
    await Promise.all(this.#answers);
    clearTimeout(timer);
  }
}
