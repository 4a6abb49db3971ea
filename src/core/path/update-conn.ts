/** A packet updates its connection: protocol state, expiry, event. */

import { lock, unlock } from '../../shared/sync/mutex.ts';
import { peek, type Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { ParticipantWord } from '../../shared/memory/participant.ts';
import { EXTENDED } from '../engines/expiry.ts';
import { emitUpdate, wantsEvents } from '../events/events.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { metaProtocol, ParsedWord } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';
import { updateIcmp, updateOther } from '../proto/datagram.ts';
import { updateTcpLocked } from '../proto/tcp.ts';
import { CHANGED, KEEP_EXPIRY, TIMEOUT_MASK, TIMEOUT_SHIFT } from '../proto/update.ts';
import { ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';

/** The bits of a state machine's result that hold the Update. */
const UPDATE_MASK: number = (1 << TIMEOUT_SHIFT) - 1;

/**
 * Updates a connection and its expiry with the packet at `parsed[at...]`.
 * @param reply 1: the packet travels in reply direction
 * @returns an Update
 */
export function updateConn(
  tracker: Tracker,
  words: Words,
  at: number,
  record: number,
  reply: number,
  now: number,
): number {
  const { words: records } = tracker;
  const r = record << UNIT_SHIFT;
  const protocol = metaProtocol(tracker.scratch.parsed[at + ParsedWord.META]!);
  if (protocol === Protocol.TCP) {
    return updateTcp(tracker, words, at, r, reply, now);
  }
  const result =
    protocol === Protocol.ICMP || protocol === Protocol.ICMPV6
      ? updateIcmp(records, r, reply) | 0
      : updateOther(records, r, reply) | 0;
  const timeout = (result >>> TIMEOUT_SHIFT) & TIMEOUT_MASK;
  tracker.expiry.extend(r, timeout, now);
  if ((result & CHANGED) !== 0) {
    tracker.expiry.changed(record, timeout);
    emitUpdate(tracker, r);
  }
  return result & UPDATE_MASK;
}

function updateTcp(tracker: Tracker, words: Words, at: number, r: number, reply: number, now: number): number {
  const { words: records, participant } = tracker;
  const { parsed } = tracker.scratch;
  const checkSequence = peek(records, tracker.settings + SettingWord.TCP_SEQ_CHK) !== 0;
  records[participant.base + ParticipantWord.CONNECTION_LOCK] = r + ConnWord.LOCK;
  lock(records, r + ConnWord.LOCK, participant, LockClass.connection, LockSite.update);
  const l4 = parsed[at + ParsedWord.L4]!;
  const l4Bytes = parsed[at + ParsedWord.L4_BYTES]!;
  const result = updateTcpLocked(records, r, words, l4, l4Bytes, reply, checkSequence) | 0;
  const timeout = (result >>> TIMEOUT_SHIFT) & TIMEOUT_MASK;
  const state = timeout === KEEP_EXPIRY ? EXTENDED : tracker.expiry.extendLocked(r, timeout, now) | 0;
  if ((result & CHANGED) !== 0) {
    if (timeout !== KEEP_EXPIRY) {
      tracker.expiry.changed(r >>> UNIT_SHIFT, timeout);
    }
    if (wantsEvents(tracker)) {
      emitUpdate(tracker, r);
    }
  }
  unlock(records, r + ConnWord.LOCK);
  if (state !== EXTENDED) {
    tracker.expiry.extendUnlocked(r, timeout, state, now);
  }
  return result & UPDATE_MASK;
}
