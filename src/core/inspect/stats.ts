/** Statistics of the connections in the table, counted in one walk without creating objects. */

import { peek } from '../../shared/access.ts';
import type { TableWalk } from './table-walk.ts';
import { protocolName } from '../options/protocol-names.ts';
import { metaProtocol } from '../packet/key.ts';
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

/** Of the table counted last. To copy it takes a fraction of a microsecond, to make it several. */
let zeroes: readonly number[] = [];

export function emptyStats(bucketCount: number): ConnStats {
  if (zeroes.length !== bucketCount) {
    zeroes = Array.from({ length: bucketCount }, () => 0);
  }
  return { total: 0, byProtocol: {}, tcpByState: {}, byBucket: zeroes.slice() };
}

/**
 * Adds the connections of the next piece of a walk. The caller is inside an epoch.
 * @param now low 32 bits of the clock (updateClock)
 */
export function countPiece(tracker: TableHandle, stats: ConnStats, walk: TableWalk, now: number): void {
  const { words, table } = tracker;
  walk.visitPiece((_record, r) => {
    if (isStale(words, r, now)) {
      return;
    }
    stats.total++;
    stats.byBucket[table.bucketOf(words[r + ConnWord.HASH]!, words, r + ConnWord.META)]!++;
    const protocol = protocolName(metaProtocol(words[r + ConnWord.META]!), 'dpctl') ?? 'other';
    stats.byProtocol[protocol] = (stats.byProtocol[protocol] ?? 0) + 1;
    if (protocol === 'tcp') {
      const state = tcpStateName(joinedTcpState(peek(words, r + ConnWord.STATE)));
      stats.tcpByState[state] = (stats.tcpByState[state] ?? 0) + 1;
    }
  });
}
