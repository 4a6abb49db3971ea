/**
 * Sequence adjustment (seq_adj): the growth of a control connection's payload, applied to the numbers of its packets.
 *
 * A connection has one adjustment: the total growth of the payload of one direction. Packets of that direction get it
 * added to their sequence number. Packets of the other direction get it subtracted from their acknowledgement number.
 */

import type { Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { ParsedWord } from '../packet/key.ts';
import { lockConn, unlockConn } from '../table/conn-lock.ts';
import { ConnWord, HELPER_ADJUSTS_REPLY } from '../table/conn.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { BatchScratch } from '../packet/batch-scratch.ts';
import { finishTcp, shiftAcknowledgement, shiftSequence } from './payload.ts';

/** The part of a thread's tracker that sequence adjustment needs. */
interface Shifted {
  readonly words: Words;
  readonly participant: Participant;
  readonly scratch: BatchScratch;
}

/**
 * Adjusts the sequence or acknowledgement number of a packet.
 * @param isOwn true: only if the packet travels in the direction that has grown; false: only if it does not
 */
export function shiftNumbers(
  tracker: Shifted,
  words: Words,
  slot: number,
  at: number,
  r: number,
  reply: number,
  isOwn: boolean,
): void {
  const { words: records } = tracker;
  const { parsed } = tracker.scratch;
  lockConn(records, r, tracker.participant, LockSite.sequenceShift);
  const adjustment = records[r + ConnWord.SEQ_ADJ]!;
  const adjustsReply = (records[r + ConnWord.HELPER]! & HELPER_ADJUSTS_REPLY) !== 0;
  unlockConn(records, r);
  if (isOwn !== (adjustsReply === (reply !== 0))) {
    return;
  }
  const l4 = parsed[at + ParsedWord.L4]!;
  if (isOwn) {
    shiftSequence(words, l4, adjustment);
  } else {
    shiftAcknowledgement(words, l4, -adjustment);
  }
  finishTcp(words, slot, parsed, at);
}

/** Adjusts a packet by the growth before it, and adds the packet's own growth to the adjustment. */
export function adjustBy(tracker: Shifted, words: Words, at: number, r: number, reply: number, growth: number): void {
  const { words: records } = tracker;
  const { parsed } = tracker.scratch;
  lockConn(records, r, tracker.participant, LockSite.sequenceAdjustment);
  const adjustment = records[r + ConnWord.SEQ_ADJ]!;
  const helper = records[r + ConnWord.HELPER]!;
  const total = (adjustment + growth) | 0;
  if (growth !== 0) {
    records[r + ConnWord.SEQ_ADJ] = total;
    records[r + ConnWord.HELPER] = reply !== 0 ? helper | HELPER_ADJUSTS_REPLY : helper & ~HELPER_ADJUSTS_REPLY;
  }
  unlockConn(records, r);
  if (adjustment === 0) {
    return;
  }
  const l4 = parsed[at + ParsedWord.L4]!;
  if (((helper & HELPER_ADJUSTS_REPLY) !== 0) === (reply !== 0)) {
    shiftSequence(words, l4, adjustment);
  } else {
    shiftAcknowledgement(words, l4, -adjustment);
  }
}
