/** Where the control socket lies, and that only its owner gets to it. */

import { renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { shown, UsageError } from '../../core/errors.ts';
import { requirePrivateFolder, statOf } from './private-folder.ts';

/** Longest path that sockaddr_un holds on every system (macOS: 104 bytes with the zero behind it). */
const MAX_PATH_BYTES = 103;
const REMEDY = 'give another path with --socket';

/** The path used when none is given. Its folder belongs to the user alone. */
export function defaultSocketPath(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const runtime = env['XDG_RUNTIME_DIR'];
  const folder = runtime ? join(runtime, 'ct-bucket') : join(tmpdir(), `ct-bucket-${process.getuid?.() ?? 'user'}`);
  return join(folder, 'control.sock');
}

/** Does anybody accept connections there? */
function isAnswered(path: string): Promise<boolean> {
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
        /* Its queue of connections is full: somebody is there. */
        done(true);
      } else {
        fail(new UsageError(`${path}: cannot be used as control socket (${error.code})`));
      }
    });
  });
}

/**
 * Makes a path free to listen on: its folder, if it is the default one, exists and is private; a socket that nobody
 * answers any more is gone.
 * @returns the absolute path
 * @throws UsageError when another tracker answers there, or something else lies there
 */
export async function prepareSocketPath(given: string | undefined): Promise<string> {
  if (given !== undefined && (typeof given !== 'string' || given === '')) {
    throw new UsageError(`the path of a socket must be a text, not ${shown(given)}`);
  }
  const path = resolve(given ?? defaultSocketPath());
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new UsageError(`${path}: a socket's path may have ${MAX_PATH_BYTES} bytes; give a shorter one with --socket`);
  }
  if (given === undefined) {
    requirePrivateFolder(dirname(path), REMEDY);
  } else if (statOf(dirname(path)) === undefined) {
    throw new UsageError(`${dirname(path)}: no such folder for the control socket`);
  }
  const found = statOf(path);
  if (found === undefined) {
    return path;
  }
  if (!found.isSocket()) {
    throw new UsageError(`${path}: exists and is not a socket; give another path with --socket`);
  }
  if (await isAnswered(path)) {
    throw inUse(path);
  }
  /* Who else finds it stale may have put a new one there by now: look at what was taken away before it is thrown. */
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
  return new UsageError(`${path}: another ct-bucket answers there; stop it, or give another path with --socket`);
}
