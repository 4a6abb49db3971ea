/** All targets of the fuzzer. */

import { captures } from './targets/captures.ts';
import { commands } from './targets/commands.ts';
import { control } from './targets/control.ts';
import { files } from './targets/files.ts';
import { frames } from './targets/frames.ts';
import { options } from './targets/options.ts';
import { packets } from './targets/packets.ts';
import { replays } from './targets/replays.ts';
import { scenarios } from './targets/scenarios.ts';
import { tables } from './targets/tables.ts';
import { SELF_TESTS } from './targets/self-tests.ts';
import type { Target } from './target.ts';

export const TARGETS: readonly Target[] = [
  packets,
  frames,
  tables,
  captures,
  scenarios,
  options,
  control,
  files,
  commands,
  replays,
] as Target[];

/** The target with this name, which must exist; also one of those that fail on purpose. */
export function targetOf(name: string): Target {
  return [...TARGETS, ...SELF_TESTS].find((target) => target.name === name)!;
}
