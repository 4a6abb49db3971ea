/**
 * Instructions of the packet path, counted by valgrind. The values are those that the processor executes: docs/measuring.md says how
 * that was checked.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { ChildError, runChild } from '../../src/host/children.ts';
import { temporaryFolder } from '../../src/host/cleanup.ts';
import { IN_JAVASCRIPT } from '../samples/samples.ts';
import { workloadOf } from '../workloads/registry.ts';
import type { CountSampleOptions } from './count-options.ts';

const SAMPLE = join('bench', 'count', 'instructions-sample.js');
/** One thread, which also compiles and collects garbage, always at the same points. */
const NODE_FLAGS = ['--predictable', '--single-threaded', '--random-seed=1', '--hash-seed=1'];
/** All stay in the cache of valgrind's translations, and the table in one state. */
const CONNECTIONS = 1024;
const TIMEOUT_MS = 600_000;

function runs(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export function hasValgrind(): boolean {
  return runs('valgrind', ['--version']);
}

/** valgrind with node. Addresses are the same in every run where the system lets a process ask for that. */
function commandOf(counts: string, sample: string, work: CountSampleOptions): [string, string[]] {
  const tool = [
    '--tool=callgrind',
    `--callgrind-out-file=${counts}`,
    '--smc-check=all-non-file',
    '--dump-before=umask',
  ];
  const node = [process.execPath, ...NODE_FLAGS, sample, JSON.stringify(work)];
  return runs('setarch', ['-R', 'true'])
    ? ['setarch', ['-R', 'valgrind', ...tool, ...node]]
    : ['valgrind', [...tool, ...node]];
}

/** Instructions between dump `number` and the dump before it. */
function countIn(counts: string, number: number): number {
  const total = /^totals: (\d+)$/m.exec(readFileSync(`${counts}.${number}`, 'utf8'))?.[1];
  if (total === undefined) {
    throw new Error(`valgrind counted nothing in ${counts}.${number}`);
  }
  return Number(total);
}

/**
 * Phase -> instructions of one packet in the packet path, without those of the sender.
 * @param build `dist` of a checkout
 * @throws UsageError without valgrind
 */
export async function instructionsOf(build: string, work: CountSampleOptions): Promise<Record<string, number>> {
  if (!hasValgrind()) {
    throw new UsageError('instructions are counted by valgrind, which is not installed');
  }
  const { path: folder, remove } = temporaryFolder('ct-bucket-count-');
  try {
    const counts = join(folder, 'counts');
    const connections = Math.min(work.connections, CONNECTIONS);
    const [command, args] = commandOf(counts, join(build, SAMPLE), { ...work, connections });
    await runChild(command, args, { timeoutMs: TIMEOUT_MS, stderr: 'pipe' });
    const phases = workloadOf(work.workload).phasesOf(work.variant ?? workloadOf(work.workload).variants[0]!);
    const mark = countIn(counts, 2);
    const between = (pair: number) => countIn(counts, 2 + 2 * pair + 2) - mark;
    return Object.fromEntries(
      phases.flatMap(({ result, packetsPerConnection, isFlush = false }, phase) => {
        const own = between(phase) - between(phases.length + phase);
        return result === undefined || isFlush ? [] : [[result, own / (packetsPerConnection * connections)]];
      }),
    );
  } finally {
    remove();
  }
}

/**
 * Like instructionsOf, in less time: of many short rounds the one with the fewest instructions counts, for each phase. So it does not
 * matter in which round V8 compiles. The sender's instructions are not taken off: for comparing two builds.
 * @param limitMs after this time the count is given up
 * @returns undefined if there was no time, or if the build is older than this way to count
 */
export async function steadyInstructionsOf(
  build: string,
  work: CountSampleOptions,
  limitMs: number,
): Promise<Record<string, number> | undefined> {
  const sample = join(build, SAMPLE);
  if (!existsSync(sample)) {
    return undefined;
  }
  const { path: folder, remove } = temporaryFolder('ct-bucket-count-');
  try {
    const counts = join(folder, 'counts');
    const connections = Math.min(work.connections, CONNECTIONS);
    const [command, args] = commandOf(counts, sample, { ...work, connections, steady: true });
    const env = { ...process.env, ...IN_JAVASCRIPT };
    await runChild(command, args, { timeoutMs: limitMs, stderr: 'pipe', env, isGroup: true });
    return leastCounts(folder, work, connections);
  } catch (error) {
    if (error instanceof ChildError) {
      return undefined;
    }
    throw error;
  } finally {
    remove();
  }
}

/** The least count of each phase. There are two dumps for each phase of each round, and the last one at the end. */
function leastCounts(
  folder: string,
  { workload: name, variant }: CountSampleOptions,
  connections: number,
): Record<string, number> | undefined {
  const counts = join(folder, 'counts');
  const workload = workloadOf(name);
  const phases = workload.phasesOf(variant ?? workload.variants[0]!);
  const rounds = (readdirSync(folder).length - 3) / (2 * phases.length);
  if (!Number.isInteger(rounds) || rounds < 2) {
    return undefined;
  }
  const mark = countIn(counts, 2);
  const ofPhase = (phase: number) =>
    Array.from({ length: rounds }, (_, round) => countIn(counts, 2 + 2 * (round * phases.length + phase) + 2) - mark);
  return Object.fromEntries(
    phases.flatMap(({ result, packetsPerConnection }, phase) =>
      result === undefined ? [] : [[result, Math.min(...ofPhase(phase)) / (packetsPerConnection * connections)]],
    ),
  );
}
