/**
 * Instructions of the packet path, counted by valgrind. The values are those that the processor executes: docs/measuring.md says how
 * that was checked.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { runChild } from '../../src/host/children.ts';
import { temporaryFolder } from '../../src/host/cleanup.ts';
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
