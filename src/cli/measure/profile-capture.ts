/** `ct-bucket profile CAPTURE`: runs `replay` on a capture, alternately in a profiled process and in one without the profiler. */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { IN_JAVASCRIPT } from '../../../bench/samples/samples.ts';
import { compiledBench } from '../../../bench/samples/compiled.ts';
import { type ProfileFile, profileInTurn, type ProfileRun } from '../../../bench/profile/run.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import { engineKind } from '../../core/engines/registry.ts';
import { UsageError } from '../../core/errors.ts';
import { ChildError, runChild } from '../../host/children.ts';
import { temporaryFolder } from '../../host/cleanup.ts';
import { counted } from '../../host/terminal.ts';

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

/** @throws UsageError with the error message of `replay` */
export async function profileCapture(capture: string, options: CaptureProfileOptions): Promise<ProfileFile> {
  const { sample, runs, ...shape } = options;
  const folder = temporaryFolder('ct-bucket-profile-');
  const out = join(folder.path, 'profile.json');
  const main = join(
    dirname(dirname(dirname(await compiledBench('samples/workload-sample.js')))),
    'src',
    'cli',
    'main.js',
  );
  const { buckets, ...others } = shape;
  const given = engineKind(options.engine).hasBuckets ? { ...others, buckets } : others;
  const args = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
  try {
    return await profileInTurn({
      what: `${capture}, ${options.engine}, ${counted(options.threads, 'thread')}`,
      options: { what: capture, ...options },
      runs,
      async take(isProfiled) {
        await runChild(process.execPath, [main, 'replay', capture, ...args, '--lock-profile', out], {
          stderr: 'pipe',
          /* Both in JavaScript: the profiler is not in the packet module. */
          env: { ...process.env, ...IN_JAVASCRIPT, CT_PROFILE: isProfiled ? String(sample) : undefined },
        });
        return JSON.parse(readFileSync(out, 'utf8')) as ProfileRun;
      },
    });
  } catch (error) {
    if (!(error instanceof ChildError)) {
      throw error;
    }
    const said = error.stderr.trim().split('\n').at(-1)!;
    throw new UsageError(said.replace(/^ct-bucket: /, '') || `${capture}: replay failed: ${error.message}`);
  } finally {
    folder.remove();
  }
}
