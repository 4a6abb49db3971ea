/** Child processes that do not outlive this one. The event loop runs while a child runs, so signals are handled at once. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd } from './cleanup.ts';

export interface ChildOptions {
  cwd?: string;
  /** The whole environment; default: that of this process. */
  env?: NodeJS.ProcessEnv;
  /** The child is killed after this time. */
  timeoutMs?: number;
  /** 'inherit': standard error goes to that of this process. 'pipe': it goes into the result. */
  stderr: 'inherit' | 'pipe';
  /** Run the child in a process group of its own, and kill the whole group: for children that start processes. */
  isGroup?: boolean;
}

export interface ChildOutput {
  stdout: string;
  stderr: string;
}

/** The child did not end with exit code 0. The message is one line. */
export class ChildError extends Error {
  override readonly name = 'ChildError';
  readonly stdout: string;
  readonly stderr: string;
  /** Why it did not start: ENOENT for a missing program, or another system error; undefined if it started. */
  readonly code: string | undefined;

  constructor(message: string, { stdout, stderr }: ChildOutput, code?: string) {
    super(message);
    this.code = code;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/** A terminal sends these signals to the child and to this process. This process may handle its own a moment later. */
const SHARED_SIGNALS: readonly (NodeJS.Signals | null)[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const SIGNAL_GRACE_MS = 300;
/** Longest wait for the end of a killed process. */
const KILL_MS = 2000;
const KILL_POLL_MS = 2;

/** Whether the process has ended. A zombie counts as ended. */
function hasEnded(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    try {
      process.kill(pid, 0);
      /* Without /proc a zombie cannot be told from a running process: do not wait for it. */
      return process.platform !== 'linux';
    } catch {
      return true;
    }
  }
}

/** Kills a child or its group, and waits until the child is gone. */
function killAndWait({ pid, exitCode, signalCode }: ChildProcess, isGroup: boolean): void {
  if (pid === undefined) {
    return;
  }
  try {
    process.kill(isGroup ? -pid : pid, 'SIGKILL');
  } catch {
    /* It has already ended. */
    return;
  }
  if (exitCode !== null || signalCode !== null) {
    return;
  }
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; waitedMs < KILL_MS && !hasEnded(pid); waitedMs += KILL_POLL_MS) {
    Atomics.wait(sleep, 0, 0, KILL_POLL_MS);
  }
}

/** Runs a program to its end. @throws ChildError if it fails or takes too long */
export async function runChild(program: string, args: readonly string[], options: ChildOptions): Promise<ChildOutput> {
  const { cwd, env, timeoutMs, stderr, isGroup = false } = options;
  const child = spawn(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    detached: isGroup,
    stdio: ['ignore', 'pipe', stderr],
  });
  const kill = (): void => killAndWait(child, isGroup);
  const forget = atEnd(kill);
  const parts: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
  child.stdout!.on('data', (chunk: Buffer) => parts.stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => parts.stderr.push(chunk));
  let hasTimedOut = false;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          hasTimedOut = true;
          kill();
        }, timeoutMs);
  const output = (): ChildOutput => ({
    stdout: Buffer.concat(parts.stdout).toString('utf8'),
    stderr: Buffer.concat(parts.stderr).toString('utf8'),
  });
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((done, fail) => {
      child.once('error', (error: NodeJS.ErrnoException) =>
        fail(new ChildError(`${program} cannot be started: ${error.message}`, output(), error.code)),
      );
      child.once('close', (exitCode, by) => done([exitCode, by]));
    });
    if (hasTimedOut) {
      throw new ChildError(`it took longer than ${timeoutMs! / 1000} s`, output());
    }
    if (code !== 0) {
      if (SHARED_SIGNALS.includes(signal)) {
        await delay(SIGNAL_GRACE_MS);
      }
      throw new ChildError(signal === null ? `exit code ${code}` : signal, output());
    }
    return output();
  } finally {
    clearTimeout(timer);
    forget();
  }
}
