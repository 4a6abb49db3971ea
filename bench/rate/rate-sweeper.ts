/** The sweeper of a sample of `bench rate`: the one of every datapath. It ends when the sample stops it. */

import { workerData } from 'node:worker_threads';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import type { Words } from '../../src/shared/access.ts';
import { sweeperNumber, workerLine } from '../../src/workers/threads/status.ts';
import { runSweeper } from '../../src/workers/threads/sweeper.ts';

export interface RateSweeperTask {
  memory: TrackerMemory;
  status: Words;
  threads: number;
}

const BEAT_MS = 100;

const { memory, status, threads } = workerData as RateSweeperTask;
runSweeper({ memory, status, clock: 'packets', line: workerLine(threads, sweeperNumber(threads)), beatMs: BEAT_MS });
