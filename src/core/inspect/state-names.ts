/** Connection states as text. */

import { CtState } from '../packet/layout.ts';

export type StateName = 'new' | 'est' | 'rel' | 'rpl' | 'inv' | 'trk' | 'snat' | 'dnat';

const STATE_NAMES: readonly (readonly [StateName, number])[] = [
  ['new', CtState.NEW],
  ['est', CtState.EST],
  ['rel', CtState.REL],
  ['rpl', CtState.RPL],
  ['inv', CtState.INV],
  ['trk', CtState.TRK],
  ['snat', CtState.SNAT],
  ['dnat', CtState.DNAT],
];

/** Names of the flags that are set, in the order new est rel rpl inv trk snat dnat. */
export function stateNames(state: number): StateName[] {
  return STATE_NAMES.filter(([, flag]) => (state & flag) !== 0).map(([name]) => name);
}

const TEXTS = Array.from({ length: 256 }, (_, state) => stateNames(state).join('|') || '0');

/** The flags joined by `|`, or `0` for none: a line of a `.states` file. */
export function stateText(state: number): string {
  return TEXTS[state]!;
}
