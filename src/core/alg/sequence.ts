/**
 * What the payload of a control connection has grown by, in the sequence numbers of its packets.
 *
 * A connection has one adjustment: by how much the payload of one direction has grown in all. Packets of that direction get
 * it added to their sequence number, those of the other one subtracted from what they acknowledge.
 */

import type { Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { ParsedWord } from '../packet/key.ts';
import { lockConn, unlockConn } from '../table/conn-lock.ts';
import { ConnWord, HELPER_ADJUSTS_REPLY } from '../table/conn.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { BatchScratch } from '../packet/batch-scratch.ts';
import { finishTcp, shiftAcknowledgement, shiftSequence } from './payload.ts';

/** The calling thread's tracker, as far as a segment's numbers go. */
interface Shifted {
  readonly words: Words;
  readonly participant: Participant;
  readonly scratch: BatchScratch;
}

/**
 * Shifts the number of a packet that the connection's adjustment is about.
 * @param isOwn shift only if the packet's direction is the one that has grown; else only if it is not
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

/** Applies what the stream has grown by before this packet, and notes by how much more it has grown now. */
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
