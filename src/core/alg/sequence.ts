/**
 * What the payload of a control connection has grown by, in the sequence numbers of its packets.
 *
 * A connection has one skew: by how much the payload of one direction has grown in all. Packets of that direction get
 * it added to their sequence number, those of the other one subtracted from what they acknowledge.
 */

import type { Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { ParsedWord } from '../packet/key.ts';
import { lockConn, unlockConn } from '../table/conn-lock.ts';
import { ConnWord, HELPER_SKEWS_REPLY } from '../table/conn.ts';
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
 * Shifts the number of a packet that the connection's skew is about.
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
  const skew = records[r + ConnWord.SEQ_SKEW]!;
  const skewsReply = (records[r + ConnWord.HELPER]! & HELPER_SKEWS_REPLY) !== 0;
  unlockConn(records, r);
  if (isOwn !== (skewsReply === (reply !== 0))) {
    return;
  }
  const l4 = parsed[at + ParsedWord.L4]!;
  if (isOwn) {
    shiftSequence(words, l4, skew);
  } else {
    shiftAcknowledgement(words, l4, -skew);
  }
  finishTcp(words, slot, parsed, at);
}

/** Applies what the stream has grown by before this packet, and notes by how much more it has grown now. */
export function skewBy(tracker: Shifted, words: Words, at: number, r: number, reply: number, growth: number): void {
  const { words: records } = tracker;
  const { parsed } = tracker.scratch;
  lockConn(records, r, tracker.participant, LockSite.sequenceSkew);
  const skew = records[r + ConnWord.SEQ_SKEW]!;
  const helper = records[r + ConnWord.HELPER]!;
  const total = (skew + growth) | 0;
  if (growth !== 0) {
    records[r + ConnWord.SEQ_SKEW] = total;
    records[r + ConnWord.HELPER] = reply !== 0 ? helper | HELPER_SKEWS_REPLY : helper & ~HELPER_SKEWS_REPLY;
  }
  unlockConn(records, r);
  if (skew === 0) {
    return;
  }
  const l4 = parsed[at + ParsedWord.L4]!;
  if (((helper & HELPER_SKEWS_REPLY) !== 0) === (reply !== 0)) {
    shiftSequence(words, l4, skew);
  } else {
    shiftAcknowledgement(words, l4, -skew);
  }
}
