/** The thread of a probe: it creates a connection in the table of another thread, and waits for memory that nobody changes. */

import { workerData } from 'node:worker_threads';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { type Parcel, unpacked } from '../../src/workers/threads/parcel.ts';
import type { ProbeTask } from './runtime-probe.ts';

/** A UDP packet from 10.0.0.1 port 1000 to 10.0.0.2 port 53. */
const FRAME = '02000000000202000000000108004500001c00000000401166cf0a0000010a00000203e8003500080000';
const WAIT_MS = 10;

const { memory, done } = unpacked(workerData as Parcel<ProbeTask>);
tuneCompiler();
const conntrack = new Conntrack(memory);
const batch = PacketBatch.allocate(undefined, memory);
batch.add(Buffer.from(FRAME, 'hex'));
conntrack.execute(batch, new CtAction({ commit: true }), 1000);
conntrack.close();
/* Threads wait for locks so. */
const waited = Atomics.wait(done, 0, 0, WAIT_MS);
Atomics.store(done, 0, waited === 'timed-out' ? 1 : 2);
