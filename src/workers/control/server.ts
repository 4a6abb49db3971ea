/** The server of the control socket: reads requests and streams replies, each no faster than its client reads. */

import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { UsageError } from '../../core/errors.ts';
import { inUse } from './socket-path.ts';
import { MAX_REQUEST_BYTES, parseRequest, replyLine, type ControlReply, type ControlRequest } from './protocol.ts';

/** A reply in pieces of text. An empty piece lets other clients be served. */
export type ReplyPieces = Iterable<string> | AsyncIterable<string>;
/** Runs the command of a request. `signal` is aborted when the client has gone, or the server stops. */
export type Responder = (request: ControlRequest, signal: AbortSignal) => ReplyPieces;

const MAX_CLIENTS = 64;
/** Most further clients that get an error. Connections beyond these are closed without a word. */
const MAX_REFUSED = 64;
/** Time for a client to disconnect after its reply. */
const LINGER_MS = 1000;
/** Time for a client to send its request. */
const REQUEST_MS = 10_000;
const LINE_FEED = 10;

/** The first line. @throws UsageError when the line is too long, or none comes in time */
function requestLine(socket: Socket): Promise<string> {
  return new Promise((done, fail) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (error?: UsageError) => {
      clearTimeout(timer);
      socket.off('data', take);
      socket.off('close', over);
      socket.off('end', over);
      /* Reads and drops all further data: otherwise the end of the connection would go unnoticed. */
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
        end(new UsageError(`a request may have at most ${MAX_REQUEST_BYTES} bytes`));
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

/** Resolves when the socket accepts more data, or is closed. */
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

/** Writes, and waits while the client reads slowly. */
async function send(socket: Socket, reply: ControlReply): Promise<void> {
  if (socket.writable && !socket.write(replyLine(reply)) && socket.writable) {
    await drained(socket);
  }
}

/** Writes the last line, and later closes a connection that the client leaves open: it would keep others out. */
function endWith(socket: Socket, last: ControlReply): void {
  socket.end(replyLine(last), () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  });
}

/** Refuses a client at once. The client may still be writing, so its data are read and dropped. */
function refuse(socket: Socket): void {
  socket.resume();
  endWith(socket, { exitCode: 1, error: `the tracker already serves ${MAX_CLIENTS} clients; try again` });
}

async function serve(socket: Socket, respond: Responder, stop: AbortSignal): Promise<void> {
  const gone = new AbortController();
  /* A client that closes its writing side has gone: half-open connections are not supported. */
  socket.once('end', () => gone.abort());
  socket.once('close', () => gone.abort());
  let last: ControlReply = { exitCode: 0 };
  let isFirst = true;
  try {
    const request = parseRequest(await requestLine(socket));
    for await (const text of respond(request, AbortSignal.any([gone.signal, stop]))) {
      /* The first piece is sent even if it is empty: it tells the client that the command runs. */
      if (text !== '' || isFirst) {
        await send(socket, { text });
        isFirst = false;
      }
      /* Other clients are served between two pieces. */
      await turn();
      if (gone.signal.aborted || stop.aborted) {
        break;
      }
    }
    if (stop.aborted) {
      last = { exitCode: 1, error: 'the tracker is stopping' };
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
  readonly #replies = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  /**
   * Listens on a path that `prepareSocketPath` has returned. The caller must have set the process's umask: the socket must not be open to
   * others for a moment, and a worker cannot set the umask.
   * @throws UsageError when it cannot listen, for example because another process was faster
   */
  static async listen(path: string, respond: Responder): Promise<ControlServer> {
    const server = new ControlServer(respond);
    await new Promise<void>((done, fail) => {
      server.#server.once('error', (error: NodeJS.ErrnoException) => {
        fail(
          error.code === 'EADDRINUSE'
            ? inUse(path)
            : new UsageError(`${path}: cannot listen on it (${error.code ?? error.message})`),
        );
      });
      server.#server.listen(path, done);
    });
    return server;
  }

  private constructor(respond: Responder) {
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
      const served = serve(socket, respond, this.#stop.signal);
      this.#replies.add(served);
      void served.finally(() => this.#replies.delete(served));
    });
    this.#server.maxConnections = MAX_CLIENTS + MAX_REFUSED;
  }

  /**
   * Accepts no more requests, ends replies under way (slow clients are cut off) and removes the socket. When it resolves, no command
   * runs any more.
   */
  async close(graceMs: number): Promise<void> {
    this.#stop.abort();
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    const timer = setTimeout(() => {
      [...this.#sockets, ...this.#refused].forEach((socket) => socket.destroy());
    }, graceMs);
    await closed;
    await Promise.all(this.#replies);
    clearTimeout(timer);
  }
}
