/** Two threads track packets of 20 flows. Prints the events of their connections, as `conntrack -E` does. */

import { CtAction, Datapath, formatEvent } from 'ct-bucket';
import { udpFrame } from './pcap.mjs';

const datapath = await Datapath.start({ threads: 2, maxConnections: 10_000 });
const zones = [1, 2].map((zone) => new CtAction({ zone, commit: true }));
const packetsOf = [0, 0];
datapath.on('verdict', ({ worker }) => packetsOf[worker]++);
datapath.on('workerDeath', ({ role, reason }) => console.error(`${role}: ${reason}`));

const reader = datapath.events(); // turns events on
const done = new AbortController();
const printing = (async () => {
  for await (const events of reader.follow({ pollMs: 5, signal: done.signal })) {
    events.forEach((event) => console.log(formatEvent(event)));
  }
})();

for (let i = 0; i < 20; i++) {
  const ends = { src: `10.0.0.${i + 1}`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
  const back = { src: ends.dst, dst: ends.src, sport: ends.dport, dport: ends.sport };
  const action = zones[i % 2];
  datapath.push(udpFrame(ends), { timeMs: 0, action }); // without await: a flow keeps its order
  datapath.push(udpFrame(back), { timeMs: 1, action });
}
await datapath.drain();
datapath.conntrack.flush({ zone: 1 });
done.abort(); // ends the loop; further events are still in the reader
await printing;
reader.drain().forEach((event) => console.log(formatEvent(event)));
reader.close();
await datapath.stop();
console.log(`packets of each thread: ${packetsOf.every((count) => count > 0) ? 'some' : packetsOf}`);
