/**
 * Which connections Linux would call assured: `conntrack -E` marks them [ASSURED]. Only events use this.
 *
 * A TCP connection is assured from its handshake on. A UDP conversation is assured after a packet that comes two
 * seconds after the first packet, and after a reply. Linux reports that in an event of its own. Here the next event
 * reports it: the destroy.
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

/** Call when a connection other than TCP is created. */
export function beginStream(records: Words, r: number, now: number): void {
  poke(records, r + ConnWord.STREAM_AFTER, (now + STREAM_MS) | 0);
}

function isDatagram(meta: number): boolean {
  const protocol = metaProtocol(meta);
  return protocol === Protocol.UDP || protocol === UDPLITE;
}

/** Call at the connection's first reply: only packets after it count. */
export function noteReply(records: Words, r: number, now: number): void {
  if (isDatagram(records[r + ConnWord.META]!) && ((now - peek(records, r + ConnWord.STREAM_AFTER)) | 0) > 0) {
    poke(records, r + ConnWord.STREAM_AFTER, now | 0);
  }
}

/** Is the connection assured? @param r word index of its record */
export function isAssured(records: Words, timeouts: TimeoutPolicies, r: number): boolean {
  const meta = records[r + ConnWord.META]!;
  const state = peek(records, r + ConnWord.STATE);
  if (metaProtocol(meta) === Protocol.TCP) {
    return (state & TCP_ASSURED) !== 0;
  }
  if (!isDatagram(meta) || !hasReply(meta, state)) {
    return false;
  }
  /* Every packet of a conversation with replies sets its expiry, so the expiry tells when the last packet came. */
  const timeoutMs = timeouts.timeoutMs(records[r + ConnWord.TIMEOUT_POLICY]!, Timeout.OTHER_BIDIR);
  const lastMs = peek(records, r + ConnWord.EXPIRES) - timeoutMs;
  return ((lastMs - peek(records, r + ConnWord.STREAM_AFTER)) | 0) > 0;
}
