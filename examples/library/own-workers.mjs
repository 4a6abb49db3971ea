/** Shares a table between this thread and two workers. Each tracks its own packets, and all see every connection. */

import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Conntrack, CtAction, PacketBatch, tuneCompiler } from 'ct-bucket';
import { udpFrame } from './pcap.mjs';

const FLOWS = 100;

function track(conntrack, subnet) {
  const batch = PacketBatch.allocate(65_536, conntrack.memory); // beside the table: the faster way
  const commit = new CtAction({ commit: true });
  for (let i = 0; i < FLOWS; i++) {
    batch.clear();
    batch.add(udpFrame({ src: `10.0.${subnet}.${i + 1}`, dst: '10.9.9.9', sport: 5000, dport: 53 }));
    conntrack.execute(batch, commit, Date.now());
  }
}

if (isMainThread) {
  tuneCompiler(); // once, before the first packet; Datapath.start does it by itself
  const conntrack = new Conntrack({ maxConnections: 10_000 });
  const workers = [1, 2].map((subnet) => {
    return new Worker(new URL(import.meta.url), { workerData: { memory: conntrack.memory, subnet } });
  });
  track(conntrack, 3);
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
  console.log(`${conntrack.connCount} connections of ${workers.length + 1} threads`);
  console.log(`created: ${conntrack.counters().created}`);
  conntrack.close();
} else {
  const conntrack = Conntrack.attach(workerData.memory);
  track(conntrack, workerData.subnet);
  conntrack.close(); // releases the participant slot of this thread
}
