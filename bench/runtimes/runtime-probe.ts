/** What a probe of a runtime says (runtime-probe-sample.ts). */

import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { compiledBench } from '../samples/compiled.ts';
import { type Runner, SampleFailure, sampleOn } from '../samples/samples.ts';

export interface RuntimeProbe {
  /** Whether tables lie in WebAssembly memory, so that the packet module can run. */
  hasModule: boolean;
  /** Why the runtime cannot run ct-bucket, in one line. */
  problem?: string;
}

/** The task of the probe's thread. */
export interface ProbeTask {
  memory: TrackerMemory;
  /** 1: the thread has done everything. */
  done: Int32Array<SharedArrayBuffer>;
}

/** It takes a second. */
const TIMEOUT_MS = 120_000;

/** Asks whether a runtime can run ct-bucket. A runtime that fails or hangs cannot. */
export async function probeRuntime(runner: Runner, environment: Record<string, string>): Promise<RuntimeProbe> {
  const sample = await compiledBench('runtimes/runtime-probe-sample.js');
  try {
    return await sampleOn<RuntimeProbe>(runner, sample, {}, environment, TIMEOUT_MS);
  } catch (error) {
    if (error instanceof SampleFailure || error instanceof SyntaxError) {
      return { hasModule: false, problem: error.message };
    }
    throw error;
  }
}
