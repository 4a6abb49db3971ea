/**
 * UDP, ICMP and every other protocol but TCP: the whole state is how far the conversation got. It is one word, so
 * packets raise it by compare-exchange and take no lock.
 */

import { compareExchange, peek, type Words } from '../../shared/access.ts';
import { ConnWord } from '../table/conn.ts';
import { Timeout } from '../expiry/timeouts.ts';
import { CHANGED, TIMEOUT_SHIFT, Update } from './update.ts';

/** UDP and others: one packet, several packets from one end, packets from both ends. The state only moves up. */
export const OtherState = { FIRST: 0, MULTIPLE: 1, BIDIR: 2 } as const;
const OTHER_TIMEOUTS = Timeout.OTHER_FIRST;

/** ICMP: only requests, or also replies. */
export const IcmpState = { FIRST: 0, REPLY: 1 } as const;
const ICMP_TIMEOUTS = Timeout.ICMP_FIRST;

/** From this state on, packets have come from both ends. */
export const OTHER_REPLIED: number = OtherState.BIDIR;
export const ICMP_REPLIED: number = IcmpState.REPLY;

/** In the result of `raise`: this call raised the state. */
const RAISED = 16;

/** Raises the state to at least `wanted`. @returns the state afterwards, | RAISED if this call raised it */
function raise(records: Words, r: number, wanted: number): number {
  let state = peek(records, r + ConnWord.STATE);
  while (state < wanted) {
    const seen = compareExchange(records, r + ConnWord.STATE, state, wanted);
    if (seen === state) {
      return wanted | RAISED;
    }
    state = seen;
  }
  return state;
}

/** @returns an Update | the Timeout to set << TIMEOUT_SHIFT | CHANGED if this was the first reply */
export function updateOther(records: Words, r: number, reply: number): number {
  const raised = raise(records, r, reply !== 0 ? OtherState.BIDIR : OtherState.MULTIPLE) | 0;
  const state = raised & ~RAISED;
  /* One-way traffic stays `new`, however long it lasts. */
  const update = state === OtherState.BIDIR ? Update.VALID : Update.VALID_NEW;
  return update | ((OTHER_TIMEOUTS + state) << TIMEOUT_SHIFT) | (raised === (OtherState.BIDIR | RAISED) ? CHANGED : 0);
}

/** @returns an Update | the Timeout to set << TIMEOUT_SHIFT | CHANGED if this was the first reply */
export function updateIcmp(records: Words, r: number, reply: number): number {
  const raised = raise(records, r, reply !== 0 ? IcmpState.REPLY : IcmpState.FIRST) | 0;
  const state = raised & ~RAISED;
  const update = state === IcmpState.REPLY ? Update.VALID : Update.VALID_NEW;
  return update | ((ICMP_TIMEOUTS + state) << TIMEOUT_SHIFT) | (raised === (IcmpState.REPLY | RAISED) ? CHANGED : 0);
}

/** May an ICMP message of this type create a connection? Requests only. */
export function isIcmpOpening(type: number): boolean {
  return type === 8 || type === 13 || type === 15;
}

/** The same for ICMPv6: echo requests only. */
export function isIcmp6Opening(type: number): boolean {
  return type === 128;
}
