/**
 * UDP, ICMP and every other protocol: connections whose whole state is how far the conversation got. It fits one
 * word, so packets move it on by compare-exchange and take no lock.
 */

import { compareExchange, peek, type Words } from '../../shared/access.ts';
import { ConnWord } from '../table/conn.ts';
import { Timeout } from '../expiry/timeouts.ts';
import { CHANGED, TIMEOUT_SHIFT, Update } from './update.ts';

/** UDP and others: one packet, several from one end, packets from both ends. Only ever moves up. */
export const OtherState = { FIRST: 0, MULTIPLE: 1, BIDIR: 2 } as const;
const OTHER_TIMEOUTS = Timeout.OTHER_FIRST;

/** ICMP: only requests, or answered. */
export const IcmpState = { FIRST: 0, REPLY: 1 } as const;
const ICMP_TIMEOUTS = Timeout.ICMP_FIRST;

/** From this state on, packets have come from both ends. */
export const OTHER_REPLIED: number = OtherState.BIDIR;
export const ICMP_REPLIED: number = IcmpState.REPLY;

/** In the answer of `raise`: this call did it. */
const RAISED = 16;

/** Moves the state up to at least `wanted`; returns what it is then, | RAISED. */
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

/** @returns an Update | the Timeout to set << TIMEOUT_SHIFT | CHANGED with the first answer */
export function updateOther(records: Words, r: number, reply: number): number {
  const raised = raise(records, r, reply !== 0 ? OtherState.BIDIR : OtherState.MULTIPLE) | 0;
  const state = raised & ~RAISED;
  /* One-way traffic stays `new`, however long it lasts. */
  const update = state === OtherState.BIDIR ? Update.VALID : Update.VALID_NEW;
  return update | ((OTHER_TIMEOUTS + state) << TIMEOUT_SHIFT) | (raised === (OtherState.BIDIR | RAISED) ? CHANGED : 0);
}

/** @returns an Update | the Timeout to set << TIMEOUT_SHIFT | CHANGED with the first answer */
export function updateIcmp(records: Words, r: number, reply: number): number {
  const raised = raise(records, r, reply !== 0 ? IcmpState.REPLY : IcmpState.FIRST) | 0;
  const state = raised & ~RAISED;
  const update = state === IcmpState.REPLY ? Update.VALID : Update.VALID_NEW;
  return update | ((ICMP_TIMEOUTS + state) << TIMEOUT_SHIFT) | (raised === (IcmpState.REPLY | RAISED) ? CHANGED : 0);
}

/** May an ICMP message of this type open a connection? Requests only. */
export function isIcmpOpening(type: number): boolean {
  return type === 8 || type === 13 || type === 15;
}

/** The same for ICMPv6: echo requests only. */
export function isIcmp6Opening(type: number): boolean {
  return type === 128;
}
