/** The path of the control socket, which only its owner can reach. */

import { renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { shown, UsageError } from '../../core/errors.ts';
import { requirePrivateFolder, statOf } from './private-folder.ts';

/** Longest path that fits sockaddr_un on every system (macOS: 104 bytes with the terminating zero). */
const MAX_PATH_BYTES = 103;
const REMEDY = 'give another path with --socket';

/** The default path. Its folder is private to this user. */
export function defaultSocketPath(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const runtime = env['XDG_RUNTIME_DIR'];
  const folder = runtime ? join(runtime, 'ct-bucket') : join(tmpdir(), `ct-bucket-${process.getuid?.() ?? 'user'}`);
  return join(folder, 'control.sock');
}

/** Whether a process accepts connections on the socket. */
function hasListener(path: string): Promise<boolean> {
  return new Promise((done, fail) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') {
        done(false);
      } else if (error.code === 'EAGAIN') {
        /* A process listens, and its queue of connections is full. */
        done(true);
      } else {
        fail(new UsageError(`${path}: cannot be used as the control socket (${error.code})`));
      }
    });
  });
}

/**
 * Prepares a path for listening: creates the default folder, private to this user, and removes a stale socket.
 * @param given default: `defaultSocketPath()`
 * @returns the absolute path
 * @throws UsageError when another tracker listens on the path, or the path is no socket
 */
export async function prepareSocketPath(given: string | undefined): Promise<string> {
  if (given !== undefined && (typeof given !== 'string' || given === '')) {
    throw new UsageError(`the path of a socket must be a non-empty string, not ${shown(given)}`);
  }
  const path = resolve(given ?? defaultSocketPath());
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new UsageError(
      `${path}: a socket path may have at most ${MAX_PATH_BYTES} bytes; give a shorter one with --socket`,
    );
  }
  if (given === undefined) {
    requirePrivateFolder(dirname(path), REMEDY);
  } else if (statOf(dirname(path)) === undefined) {
    throw new UsageError(`${dirname(path)}: no such folder; create it, or give another path with --socket`);
  }
  const found = statOf(path);
  if (found === undefined) {
    return path;
  }
  if (!found.isSocket()) {
    throw new UsageError(`${path}: exists and is not a socket; give another path with --socket`);
  }
  if (await hasListener(path)) {
    throw inUse(path);
  }
  /* Another process may also have found it stale, and put a new socket there. So move it aside, and check it before deleting it. */
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside);
  if (statOf(aside)?.ino !== found.ino) {
    renameSync(aside, path);
    throw inUse(path);
  }
  rmSync(aside);
  return path;
}

export function inUse(path: string): UsageError {
  return new UsageError(`${path}: another ct-bucket uses it; stop that one, or give another path with --socket`);
}
