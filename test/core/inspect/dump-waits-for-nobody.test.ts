/** A dump takes no lock. A thread that holds a lock, alive or dead, neither delays it nor keeps it from ending. */

import { expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { visitBucket } from '../../../src/core/inspect/table-walk.ts';
import { memoryLayout } from '../../../src/core/memory/memory-layout.ts';
import { BucketWord } from '../../../src/core/table/bucket-layout.ts';
import { ConnWord } from '../../../src/core/table/conn.ts';
import { lockTagOf } from '../../../src/shared/sync/mutex.ts';
import { reverse, tcp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';

const NOW_MS = 1000;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 80 };

it('a dump shows a TCP connection whose lock and whose bucket another thread holds', () => {
  const ct = new Conntrack({ buckets: 1, maxConnections: 100, maxParticipants: 2 });
  send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), NOW_MS);
  send(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 7, ack: 2 }), NOW_MS);
  const { words } = ct.memory;
  const stranger = lockTagOf(1 - ct.participant);
  words[memoryLayout(ct.memory).buckets + BucketWord.LOCK] = stranger;
  visitBucket(ct.tracker, 0, (_, r) => (words[r + ConnWord.LOCK] = stranger));
  ct.lockTimeoutMs = 50;
  expect([...ct.dump({ nowMs: NOW_MS })].flat()).toMatchObject([
    { tcp: { stateOrig: 'ESTABLISHED', stateReply: 'SYN_SENT' } },
  ]);
});
