/** All targets of the fuzzer. */

import { captures } from './targets/captures.ts';
import { control } from './targets/control.ts';
import { frames } from './targets/frames.ts';
import { options } from './targets/options.ts';
import { packets } from './targets/packets.ts';
import { scenarios } from './targets/scenarios.ts';
import type { Target } from './target.ts';

export const TARGETS: readonly Target[] = [packets, frames, captures, scenarios, options, control] as Target[];

export function targetOf(name: string): Target {
  return TARGETS.find((target) => target.name === name)!;
}
