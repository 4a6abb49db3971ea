/**
 * Which connections Linux would call assured: `conntrack -E` prints [ASSURED] for these. Only events ask. A TCP connection is
 * assured from its handshake on. A UDP conversation is once a packet comes two seconds after its first one, and after an
 * answer. Linux tells of that with an event of its own; here the next event says it, which is that of the end.
 */

import { peek, poke, type Words } from '../../shared/access.ts';
import { metaProtocol } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';
import { hasReply } from '../inspect/conversation.ts';
import { TCP_ASSURED } from '../proto/tcp-state.ts';
import { ConnWord } from '../table/conn.ts';
import { Timeout, type TimeoutPolicies } from '../expiry/timeouts.ts';

const STREAM_MS = 2000;
const UDPLITE = 136;

/** A connection without TCP's words is being made. */
export function beginStream(records: Words, r: number, now: number): void {
  poke(records, r + ConnWord.STREAM_AFTER, (now + STREAM_MS) | 0);
}

function isDatagram(meta: number): boolean {
  const protocol = metaProtocol(meta);
  return protocol === Protocol.UDP || protocol === UDPLITE;
}

/** The connection's first answer has come: only packets after it count. */
export function noteReply(records: Words, r: number, now: number): void {
  if (isDatagram(records[r + ConnWord.META]!) && ((now - peek(records, r + ConnWord.STREAM_AFTER)) | 0) > 0) {
    poke(records, r + ConnWord.STREAM_AFTER, now | 0);
  }
}

/** @param r word index of the connection */
export function isAssured(records: Words, timeouts: TimeoutPolicies, r: number): boolean {
  const meta = records[r + ConnWord.META]!;
  const state = peek(records, r + ConnWord.STATE);
  if (metaProtocol(meta) === Protocol.TCP) {
    return (state & TCP_ASSURED) !== 0;
  }
  if (!isDatagram(meta) || !hasReply(meta, state)) {
    return false;
  }
  /* Every packet of an answered conversation sets its expiry. */
  const timeoutMs = timeouts.timeoutMs(records[r + ConnWord.TIMEOUT_POLICY]!, Timeout.OTHER_BIDIR);
  const lastMs = peek(records, r + ConnWord.EXPIRES) - timeoutMs;
  return ((lastMs - peek(records, r + ConnWord.STREAM_AFTER)) | 0) > 0;
}
