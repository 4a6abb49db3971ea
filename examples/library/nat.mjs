/** Source NAT: translates the sources of a capture to one address. `node nat.mjs IN.pcap OUT.pcap` */

import { readFileSync, writeFileSync } from 'node:fs';
import { Datapath } from 'ct-bucket';
import { pcapOf, readPcap } from './pcap.mjs';

const [input, output] = process.argv.slice(2);
const datapath = await Datapath.start({
  maxConnections: 100_000,
  action: { commit: true, nat: { action: ['src'], minAddr: '192.0.2.1', minPort: 20_000, maxPort: 29_999 } },
});

const out = [];
const dropped = new Map();
const send = (verdict) => {
  if (verdict.isHeld) {
    return; // a fragment: it comes back once more when its datagram is complete
  }
  const why = verdict.isLost ? 'lost' : (verdict.refused ?? verdict.invalid);
  if (why === undefined) {
    out.push(Buffer.from(verdict.frame)); // a copy: the view is valid only during this call
  } else {
    dropped.set(why, (dropped.get(why) ?? 0) + 1);
  }
};
datapath.on('verdict', send).on('deferred', send);

for (const { frame, timeMs } of readPcap(readFileSync(input))) {
  await datapath.push(frame, { timeMs });
}
await datapath.stop();
writeFileSync(output, pcapOf(out));
console.log(`${out.length} packets sent on, ${datapath.conntrack.connCount} connections`, Object.fromEntries(dropped));
