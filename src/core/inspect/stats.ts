/** Statistics of the connections in the table, counted in one walk without creating objects. */

import { peek } from '../../shared/access.ts';
import { visitBucket } from './dump.ts';
import { protocolName } from '../options/protocol-names.ts';
import { metaProtocol, metaZone } from '../packet/key.ts';
import { joinedTcpState } from './conversation.ts';
import { tcpStateName } from '../proto/tcp-state.ts';
import { ConnWord, isStale } from '../table/conn.ts';
import type { TableHandle } from '../memory/table-handle.ts';

/** Counts of unexpired connections, of all zones or of one. */
export interface ConnStats {
  total: number;
  /** By protocol: tcp, udp, sctp, icmp, icmpv6, udplite, dccp, igmp, other. */
  byProtocol: Record<string, number>;
  /** TCP connections by the single state that a dump shows. */
  tcpByState: Record<string, number>;
  /** Connections whose original direction stands in the bucket. */
  byBucket: number[];
}

export function emptyStats(): ConnStats {
  return { total: 0, byProtocol: {}, tcpByState: {}, byBucket: [] };
}

/**
 * Adds the connections of a bucket. The caller is inside an epoch. @param now low 32 bits of the clock (updateClock)
 */
export function countBucket(
  tracker: TableHandle,
  stats: ConnStats,
  { bucket, now, zone }: { bucket: number; now: number; zone: number | undefined },
): void {
  const { words } = tracker;
  let count = 0;
  visitBucket(tracker, bucket, (_record, r) => {
    const meta = words[r + ConnWord.META]!;
    if (isStale(words, r, now) || (zone !== undefined && metaZone(meta) !== zone)) {
      return;
    }
    count++;
    const protocol = protocolName(metaProtocol(meta), 'dpctl') ?? 'other';
    stats.byProtocol[protocol] = (stats.byProtocol[protocol] ?? 0) + 1;
    if (protocol === 'tcp') {
      const state = tcpStateName(joinedTcpState(peek(words, r + ConnWord.STATE)));
      stats.tcpByState[state] = (stats.tcpByState[state] ?? 0) + 1;
    }
  });
  stats.total += count;
  stats.byBucket[bucket] = count;
}
