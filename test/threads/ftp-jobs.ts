/** Jobs of the tests of helpers under threads: control connections and the data connections that they announce. */

import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import { setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { hostPort } from '../support/ftp.ts';
import { reverse, type PortEnds } from '../support/frames.ts';
import { tcpFrame, type TcpView, viewTcp } from '../support/tcp-frames.ts';
import { serve } from './serve.ts';
import { randomSequence } from './steps.ts';

export interface FtpSetUp {
  memory: TrackerMemory;
  barrier: Words;
  /** For each port of the range: the round that it was last given out in. */
  claims: Words;
  parties: number;
  minPort: number;
  maxPort: number;
}

export const SERVER = '192.0.2.1';
export const OUTSIDE = '198.51.100.1';
/** Of the table: established connections live for a minute. */
export const SHORT_LIVED = 1;

let ct: Conntrack;
let shared: FtpSetUp;
const batch = PacketBatch.allocate(1 << 14);

function through(frame: Uint8Array, action: CtAction, nowMs: number): TcpView & { state: string } {
  batch.clear();
  batch.add(frame);
  ct.execute(batch, action, nowMs);
  return { ...viewTcp(batch.frame(0)), state: stateText(batch.state(0)) };
}

function must(what: string, got: unknown, wanted: unknown): void {
  if (got !== wanted) {
    throw new Error(`${what}: ${String(got)} instead of ${String(wanted)}`);
  }
}

function client(thread: number, flow: number): PortEnds {
  return { src: `10.${thread}.0.${flow}`, dst: SERVER, sport: 40_000 + flow, dport: 21 };
}

/** Announced by that client: nobody else's. */
function dataPort(thread: number, flow: number): number {
  return 20_000 + thread * 1000 + flow;
}

/** A control connection whose SYN has been given a port: the rest of its handshake, a PORT command, and the data connection. */
function goOn(thread: number, flow: number, port: number, action: CtAction, nowMs: number): void {
  const ends = client(thread, flow);
  const outside = { src: OUTSIDE, dst: SERVER, sport: port, dport: 21 };
  const answer = through(tcpFrame(reverse(outside), { flags: 'SA', seq: 900, ack: 101 }), action, nowMs);
  must('the answer', `${answer.state} ${answer.dst}:${answer.dport}`, `est|rpl|trk|dnat ${ends.src}:${ends.sport}`);
  const announced = dataPort(thread, flow);
  const data = `PORT ${hostPort(ends.src, announced)}\r\n`;
  const command = through(tcpFrame(ends, { flags: 'PA', seq: 101, ack: 901, data }), action, nowMs);
  must('the command', command.data, `PORT ${hostPort(OUTSIDE, announced)}\r\n`);
  must('faults of the command', command.faults.join(), '');
  const syn = tcpFrame({ src: SERVER, dst: OUTSIDE, sport: 20, dport: announced }, { flags: 'S', seq: 5 });
  const opened = through(syn, action, nowMs);
  must(
    'the data connection',
    `${opened.state} ${opened.dst}:${opened.dport}`,
    `new|rel|trk|dnat ${ends.src}:${announced}`,
  );
}

/** Where control connections are opened and removed at random: so many clients a thread, each with two of them. */
const CLIENTS = 4;
const DATA_PORTS = 3;

function churnEnds(thread: number, flow: number): PortEnds {
  return { src: `10.${thread}.1.${flow >> 1}`, dst: SERVER, sport: 40_000 + (flow & 1), dport: 21 };
}

function announcing(thread: number, flow: number, port: number): Buffer {
  const ends = churnEnds(thread, flow);
  return tcpFrame(ends, { flags: 'PA', seq: 101, ack: 901, data: `PORT ${hostPort(ends.src, 1 + port)}\r\n` });
}

const jobs = {
  setUp(options: FtpSetUp): void {
    shared = options;
    ct = Conntrack.attach(options.memory);
  },

  /**
   * In each round every thread opens so many control connections that all together want more than the range has; those
   * that get a port announce a data connection, which is opened. Between rounds all of them expire. Returns how many
   * control connections this thread got in each round.
   */
  fillAndExpire(
    options: { rounds: number; flows: number; roundMs: number; sweeps: boolean },
    thread: number,
  ): number[] {
    const { rounds, flows, roundMs, sweeps } = options;
    const { minPort, maxPort } = shared;
    const nat = { action: ['src' as const], minAddr: OUTSIDE, minPort, maxPort };
    const action = new CtAction({ commit: true, helper: 'ftp', timeoutPolicy: SHORT_LIVED, nat });
    const syns = Array.from({ length: flows }, (_, flow) => tcpFrame(client(thread, flow), { flags: 'S', seq: 100 }));
    const got: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const nowMs = round * roundMs;
      if (sweeps && thread === 0) {
        ct.sweep(nowMs);
      }
      arriveAndWait(shared.barrier, 0, shared.parties);
      let opened = 0;
      for (const [flow, syn] of syns.entries()) {
        const { state, sport } = through(syn, action, nowMs);
        if (state === 'new|trk|snat') {
          const before = Atomics.exchange(shared.claims, sport - minPort, round);
          must(`round of port ${sport} before ${round}`, before < round, true);
          goOn(thread, flow, sport, action, nowMs);
          opened++;
        } else {
          must('a packet without a tuple', state, 'new|trk');
        }
      }
      got.push(opened);
      arriveAndWait(shared.barrier, 0, shared.parties);
    }
    return got;
  },

  /**
   * Announces a data connection whose control connection is removed after it was found, before the expectation stands in the
   * table. Returns how many expectations there are then, and whether it came to that. In a checked process.
   */
  removeWhileAnnouncing(_data: null): { used: number; removed: boolean } {
    const other = Conntrack.attach(shared.memory);
    const { expectations } = ct.tracker.alg;
    let removed = false;
    setSchedulingHook((kind, _words, index) => {
      if (kind === 'compareExchange' && index === expectations.mutex) {
        setSchedulingHook(undefined);
        removed = other.flushTuple({ ...churnEnds(0, 0), proto: 6 }, { nowMs: 0 });
      }
    });
    try {
      batch.clear();
      batch.add(announcing(0, 0, 0));
      ct.execute(batch, new CtAction({ commit: true, helper: 'ftp' }), 0);
    } finally {
      setSchedulingHook(undefined);
      other.close();
    }
    return { used: expectations.used, removed };
  },

  /**
   * Announces and opens data connections, and removes control connections, everybody's, by all means. Threads of even
   * number do more of the first, the others of the second.
   */
  churn({ steps }: { steps: number }, thread: number): void {
    const next = randomSequence(thread);
    const commit = new CtAction({ commit: true, helper: 'ftp' });
    const force = new CtAction({ force: true });
    const flows = CLIENTS * 2;
    const frames = Array.from({ length: shared.parties }, (_, owner) =>
      Array.from({ length: flows }, (_, flow) => ({
        announcing: Array.from({ length: DATA_PORTS }, (_, port) => announcing(owner, flow, port)),
        opening: Array.from({ length: DATA_PORTS }, (_, port) => {
          const { src } = churnEnds(owner, flow);
          return tcpFrame({ src: SERVER, dst: src, sport: 20 + (flow & 1), dport: 1 + port }, { flags: 'S', seq: 5 });
        }),
        forcing: tcpFrame(reverse(churnEnds(owner, flow)), { flags: 'PA', seq: 901, ack: 101 }),
        tuple: { ...churnEnds(owner, flow), proto: 6 },
      })),
    );
    function pass(frame: Uint8Array, action: CtAction): void {
      batch.clear();
      batch.add(frame);
      ct.execute(batch, action, 0);
    }
    arriveAndWait(shared.barrier, 0, shared.parties);
    for (let step = 0; step < steps; step++) {
      const { announcing: commands, opening, forcing, tuple } = frames[next() % shared.parties]![next() % flows]!;
      const removes = next() % 4 === 0 ? thread % 2 === 0 : thread % 2 !== 0;
      if (!removes) {
        const port = next() % DATA_PORTS;
        pass(commands[port]!, commit);
        pass(opening[port]!, commit);
      } else if (next() % 64 === 0) {
        ct.flush();
      } else if (next() % 2 === 0) {
        ct.flushTuple(tuple, { nowMs: 0 });
      } else {
        pass(forcing, force);
      }
    }
  },
};

export type FtpJobs = typeof jobs;
serve(jobs);
