/** Finds, counts and removes connections. A filter is an object, or a text as ovs-dpctl takes it. */

import { Conntrack, CtAction, formatConn, formatConnStats, PacketBatch, parseConnFilter } from 'ct-bucket';
import { udpFrame } from './pcap.mjs';

const nowMs = Date.now();
const conntrack = new Conntrack({ maxConnections: 10_000 });
const batch = PacketBatch.allocate();
const track = (zone, mark, ends) => {
  batch.clear();
  batch.add(udpFrame(ends));
  conntrack.execute(batch, new CtAction({ zone, commit: true, mark: { value: mark, mask: 0xff } }), nowMs);
};
for (let i = 1; i <= 30; i++) {
  const ends = { src: `10.0.0.${i}`, dst: '10.9.9.9', sport: 1000 + i, dport: i % 2 === 0 ? 53 : 123 };
  track(5, i % 3, ends);
  if (i === 7) {
    track(5, i % 3, { src: ends.dst, dst: ends.src, sport: ends.dport, dport: ends.sport });
  }
}

const print = (title, filter) => {
  /* `dump` yields an array for each bucket of the table. Most are empty. */
  const found = [...conntrack.dump({ nowMs, filter })].flat();
  console.log(`${title}: ${found.length}`);
  found.slice(0, 2).forEach((connection) => console.log(`  ${formatConn(connection)}`));
};
print('DNS, mark 1', { orig: { dport: 53 }, mark: { value: 1, mask: 0xff } });
print('with a reply', { seen: 'replied' });
console.log(`removed: ${conntrack.flush({ filter: parseConnFilter(['zone=5', 'ct_nw_proto=17,ct_tp_dst=123']) })}`);
print('left', { zone: 5 });
console.log(formatConnStats(conntrack.stats({ nowMs })));
conntrack.close();
