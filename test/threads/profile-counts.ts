/**
 * A process started with CT_PROFILE=n. Two participants in turn open TCP connections, send data on them, and mark some: two kinds
 * of locks and several sites, taken in a pattern that repeats. Prints the profile, and how often each site was there.
 */

import { profileOf } from '../../src/core/inspect/lock-records.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { reverse, tcp } from '../support/frames.ts';
import { send } from '../support/tracking.ts';

const CONNECTIONS = 64_000;

const ct = new Conntrack({ buckets: 64, maxConnections: CONNECTIONS, maxParticipants: 2 });
const other = Conntrack.attach(ct.memory);
for (let i = 0; i < CONNECTIONS; i++) {
  const ends = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1 + i, dport: 80 };
  send(ct, tcp(ends, { flags: 'S', seq: 100 }), i, { commit: true });
  send(ct, tcp(reverse(ends), { flags: 'SA', seq: 500, ack: 101 }), i);
  send(other, tcp(ends, { flags: 'A', seq: 101, ack: 501 }), i);
  if (i % 2 === 0) {
    send(ct, tcp(ends, { flags: 'A', seq: 101, ack: 501 }), i, { mark: { value: i, mask: 0xffffffff } });
  }
}
console.log(
  JSON.stringify({
    ...profileOf(ct),
    taken: {
      'create connection': CONNECTIONS,
      'update state': 2 * CONNECTIONS + CONNECTIONS / 2,
      'set mark': CONNECTIONS / 2,
    },
  }),
);
