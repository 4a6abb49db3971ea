/** All attacks by name. */

import type { Attack } from './attack.ts';
import { CLOCKS } from './clocks.ts';
import { FLOODS } from './floods.ts';
import { HASH_FLOODS } from './hash.ts';

const ATTACKS = { ...FLOODS, ...HASH_FLOODS, ...CLOCKS } as const satisfies Record<string, Attack>;

export type AttackName = keyof typeof ATTACKS;

export const ATTACK_NAMES = Object.keys(ATTACKS) as AttackName[];

export function attackOf(name: AttackName): Attack {
  return ATTACKS[name];
}
