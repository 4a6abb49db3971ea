/** Slowdowns of known size, as patches of the packet path. */

import type { Patch } from '../../studies/variants.ts';
import type { Plant } from './plant-names.ts';

/** The lock site whose holds `lock-hold` makes longer. */
export const HELD_SITE = 'create connection';

/** Four cycles each, and few instructions. */
const SLOW_STEP = 'idle = (Math.imul(idle, 1664525) + 1013904223) | 0;';
/** As many instructions in a cycle as the packet path has. */
const BUSY_STEP = 'idle = (idle + step) ^ 5; busy = (busy - step) ^ 3;';

/**
 * Adds idle work of `steps` steps to every batch. Each step needs the result of the one before. The packets wait for the last
 * step because of an atomic write, which no later access may pass. Without it the processor would work on the packets
 * meanwhile, and the first steps would cost nothing.
 */
function spinPatches(steps: number, step: string): Patch[] {
  const path = 'src/core/path/execute.ts';
  return [
    {
      path,
      /* Insert above the code of this source. */
      find: /^/,
      replace: 'const idleWords = new Int32Array(new SharedArrayBuffer(64));\n',
    },
    {
      path,
      find: /let count = batch\.count;\n/,
      replace:
        'let count = batch.count; let idle = tracker.scratch.notes[15]; let busy = idle; ' +
        `for (let step = 0; step < ${steps}; step++) ${step} ` +
        'tracker.scratch.notes[15] = idle ^ busy; Atomics.exchange(idleWords, 0, idle);\n',
    },
  ];
}

/** Adds steps while a thread holds the lock of a bucket to create a connection: a patch of the source, so that the packet module has them. */
function holdPatches(steps: number): Patch[] {
  return [
    {
      path: 'src/core/lifecycle/create.ts',
      /* The place behind the lock, in the source and in compiled code, where the site is its number. */
      find: /(?<=table\.lockBucket\(bucket, participant, (?:LockSite\.create|1)\);\n)/,
      replace: `  let idle = tracker.scratch.notes[15];
  for (let step = 0; step < ${steps}; step++) {
    ${SLOW_STEP}
  }
  tracker.scratch.notes[15] = idle;
`,
    },
  ];
}

/** Whether the plant is a patch of sources. The others are patches of compiled code, and of sources alike. */
export function isOfSources(plant: Plant): boolean {
  return plant === 'lock-hold';
}

/** @param plant `nothing`: other code that takes no time @param steps of a batch, or of a created connection */
export function plantPatches(plant: Plant | 'nothing', steps: number): Patch[] {
  switch (plant) {
    case 'nothing':
      return [{ path: 'src/core/path/execute.ts', find: /^/, replace: 'const unusedByAnything = [0];\n' }];
    case 'lock-hold':
      return holdPatches(steps);
    case 'instructions':
      return spinPatches(steps, `{ ${BUSY_STEP} }`);
    default:
      return spinPatches(steps, SLOW_STEP);
  }
}
