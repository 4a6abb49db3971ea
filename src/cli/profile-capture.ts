/** `ct-bucket profile CAPTURE`: runs `replay` on a capture, alternately in a profiled process and in one without the profiler. */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compiledBench } from '../../bench/samples/compiled.ts';
import { machineFingerprint } from '../../bench/machine/machine.ts';
import type { LockProfile } from '../core/inspect/lock-records.ts';
import type { ProfileFile } from '../../bench/profile/run.ts';
import { medianRatio } from '../../bench/statistics/statistics.ts';
import type { EngineName } from '../core/engines/engine.ts';
import { UsageError } from '../core/errors.ts';
import { ChildError, runChild } from '../host/children.ts';
import { temporaryFolder } from '../host/cleanup.ts';
import { showProgress } from '../host/terminal.ts';

export interface CaptureProfileOptions {
  threads: number;
  engine: EngineName;
  batch: number;
  buckets: number;
  /** One in this many acquisitions is recorded. */
  sample: number;
  /** Pairs of runs, with the profiler and without it. */
  runs: number;
}

interface CaptureRun {
  durationMs: number;
  profile?: LockProfile;
}

/** @throws UsageError with the error message of `replay` */
export async function profileCapture(what: string, options: CaptureProfileOptions): Promise<ProfileFile> {
  const { threads, engine, batch, buckets, sample, runs } = options;
  const folder = temporaryFolder('ct-bucket-profile-');
  const out = join(folder.path, 'profile.json');
  const main = join(
    dirname(dirname(dirname(await compiledBench('samples/workload-sample.js')))),
    'src',
    'cli',
    'main.js',
  );
  const shape = { threads, engine, batch, buckets };
  const args = Object.entries(shape).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const take = async (isOn: boolean): Promise<CaptureRun> => {
    await runChild(process.execPath, [main, 'replay', what, ...args, '--lock-profile', out], {
      stderr: 'pipe',
      env: { ...process.env, CT_PROFILE: isOn ? String(sample) : undefined },
    });
    return JSON.parse(readFileSync(out, 'utf8')) as CaptureRun;
  };
  const progress = (run: number) =>
    showProgress(`run ${run + 1} of ${runs}: ${what}, profiled${runs < 2 ? '' : ' and not'}`);
  let taken: { on: CaptureRun[]; offMs: number[] };
  try {
    taken = await takePairs(runs, take, progress);
  } catch (error) {
    if (!(error instanceof ChildError)) {
      throw error;
    }
    const said = error.stderr.trim().split('\n').at(-1)!;
    throw new UsageError(said.replace(/^ct-bucket: /, '') || `${what}: replay failed: ${error.message}`);
  } finally {
    folder.remove();
    showProgress('');
  }
  const { on, offMs } = taken;
  const onMs = on.map(({ durationMs }) => durationMs);
  /* The run with the median duration represents all. */
  const middle = on.toSorted((a, b) => a.durationMs - b.durationMs)[Math.floor((runs - 1) / 2)]!;
  return {
    format: 'ct-bucket profile',
    what: `${what}, ${engine}, ${threads} thread${threads === 1 ? '' : 's'}`,
    machine: machineFingerprint(),
    options: { what, ...options },
    durationMs: middle.durationMs,
    profile: middle.profile!,
    ...(runs < 2 ? {} : { cost: { ...medianRatio(onMs, offMs), onMs, offMs } }),
  };
}

/** Runs alternately with and without the profiler. A single run has the profiler on. */
async function takePairs(
  runs: number,
  take: (isOn: boolean) => Promise<CaptureRun>,
  onRun: (run: number) => void,
): Promise<{ on: CaptureRun[]; offMs: number[] }> {
  const on: CaptureRun[] = [];
  const offMs: number[] = [];
  for (let run = 0; run < runs; run++) {
    onRun(run);
    const takeOff = async () => {
      if (runs > 1) {
        offMs.push((await take(false)).durationMs);
      }
    };
    /* The order alternates, so that each kind goes first in half of the pairs. */
    if (run % 2 === 1) {
      await takeOff();
    }
    on.push(await take(true));
    if (run % 2 === 0) {
      await takeOff();
    }
  }
  return { on, offMs };
}
