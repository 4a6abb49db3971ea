/** Tracks a capture on the calling thread. Prints a line for each packet, then the connections. `node track-capture.mjs FILE.pcap` */

import { readFileSync } from 'node:fs';
import { Conntrack, CtAction, formatConn, PacketBatch, stateText } from 'ct-bucket';
import { readPcap } from './pcap.mjs';

const conntrack = new Conntrack({ maxConnections: 100_000 });
const commit = new CtAction({ commit: true });
const batch = PacketBatch.allocate(1 << 18, conntrack.memory); // bytes for frames: enough for the largest
let nowMs = 0;

for (const { frame, timeMs } of readPcap(readFileSync(process.argv[2]))) {
  nowMs = Math.max(nowMs, timeMs);
  batch.clear();
  batch.add(frame);
  conntrack.execute(batch, commit, nowMs);
  for (let i = 0; i < batch.count; i++) {
    const reason = batch.refused(i) ?? batch.invalid(i);
    console.log(stateText(batch.state(i)) + (reason === undefined ? '' : ` (${reason})`));
  }
}
for (const connections of conntrack.dump({ nowMs })) {
  for (const connection of connections) {
    console.log(formatConn(connection));
  }
}
console.log(`${conntrack.connCount} connections`);
conntrack.close();
