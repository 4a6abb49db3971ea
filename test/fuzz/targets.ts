/** All targets of the fuzzer. */

import { frames } from './targets/frames.ts';
import { packets } from './targets/packets.ts';
import type { Target } from './target.ts';

export const TARGETS: readonly Target[] = [packets, frames] as Target[];

export function targetOf(name: string): Target {
  return TARGETS.find((target) => target.name === name)!;
}
