/** A datapath under a mixed load. It counts every packet that comes back, and knows its established connections. */

import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { findConn } from '../../src/core/path/lookup.ts';
import { FragmentsWord } from '../../src/core/fragments/region.ts';
import { ConnWord, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { parseTuple, type PortTuple } from '../../src/core/inspect/tuple.ts';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import { randomSequence, until } from '../threads/steps.ts';
import { expectAccountingHolds } from './accounting.ts';
import { fragmentsOf } from './fragments.ts';
import { hostPort } from './ftp.ts';
import { type PortEnds, tcp, udp } from './frames.ts';
import { heldLocks, untilNoLockIsHeld } from './locks.ts';
import { tcpFrame } from './tcp-frames.ts';
import { dumpAll } from './tracking.ts';

const SERVER = '192.0.2.1';
const OUTSIDE = '198.51.100.1';
/** Packets with the same time; then the clock moves on by 1 ms. */
const PACKETS_PER_MS = 8;
const MAX_PACKETS = 1 << 26;

interface Established {
  protocol: 'udp' | 'tcp';
  there: PortEnds;
  back: PortEnds;
  /** Record and generation: no other connection has both. */
  id: string;
}

/** A failure deadline. */
const DRAIN_MS = 240_000;

/** Like drain, but rejects if packets do not come back in time. */
export async function drainInTime(datapath: Datapath): Promise<void> {
  const deadline = new AbortController();
  const late = delay(DRAIN_MS, undefined, { signal: deadline.signal }).then(
    () => {
      throw new Error(`packets do not come back; locks that are held: ${heldLocks(datapath.conntrack).join(', ')}`);
    },
    () => {},
  );
  try {
    await Promise.race([datapath.drain(), late]);
  } finally {
    deadline.abort();
  }
}

export class Turmoil {
  readonly datapath: Datapath;
  /** For each packet that the datapath took: how often it has come back. */
  readonly #back = new Uint8Array(MAX_PACKETS);
  /** Number of packets that the datapath took; they are numbered from 0. */
  packets = 0;
  nowMs = 0;
  readonly #next: () => number;
  readonly #established: Established[] = [];

  static async start(options: DatapathOptions & { seed: number; flows: number }): Promise<Turmoil> {
    const { seed, flows, ...rest } = options;
    const datapath = await Datapath.start({
      buckets: 4,
      maxConnections: 30_000,
      ringBytes: 1 << 20,
      action: {
        commit: true,
        helper: 'ftp',
        mark: { value: 7, mask: 0xff },
        nat: { action: ['src'], minAddr: OUTSIDE, minPort: 1024, maxPort: 65_535 },
      },
      ...rest,
    });
    datapath.conntrack.setTimeoutPolicy(0, { udp_first: 1, udp_single: 1, tcp_syn_sent: 1, udp_multiple: 3600 });
    datapath.conntrack.sweepIntervalMs = 20;
    const turmoil = new Turmoil(datapath, seed);
    await turmoil.#establish(flows);
    return turmoil;
  }

  private constructor(datapath: Datapath, seed: number) {
    this.datapath = datapath;
    this.#next = randomSequence(seed);
    datapath.on('verdict', ({ tag }) => {
      this.#back[tag as number]!++;
    });
  }

  /** A random whole number below `end`. */
  random(end: number): number {
    return this.#next() % end;
  }

  async #establish(flows: number): Promise<void> {
    const ends = Array.from({ length: flows }, (_, i) => ({
      src: `10.200.${i >> 8}.${i & 255}`,
      dst: SERVER,
      sport: 2000 + i,
      dport: 53,
    }));
    for (const [i, there] of ends.entries()) {
      await this.push(i % 2 === 0 ? udp(there) : tcp(there, { flags: 'S', seq: 100 }));
    }
    await drainInTime(this.datapath);
    for (const { orig, reply } of dumpAll(this.datapath.conntrack, this.nowMs)) {
      const { src, dst, sport, dport } = reply as PortTuple;
      const back = { src, dst, sport, dport };
      const there = orig as PortTuple;
      const protocol = there.proto === 17 ? 'udp' : 'tcp';
      await this.push(protocol === 'udp' ? udp(back) : tcp(back, { flags: 'SA', seq: 900, ack: 101 }));
      const { src: from, dst: to, sport: fromPort, dport: toPort } = there;
      this.#established.push({
        protocol,
        there: { src: from, dst: to, sport: fromPort, dport: toPort },
        back,
        id: '',
      });
    }
    expect(this.#established).toHaveLength(flows);
    await drainInTime(this.datapath);
    await this.keepAlive();
    for (const flow of this.#established) {
      flow.id = this.#idOf(flow);
    }
  }

  /** The id of a flow's connection. Fails the test unless both directions find the same one. */
  #idOf({ there, back, protocol }: Established): string {
    const { tracker } = this.datapath.conntrack;
    const proto = protocol === 'udp' ? 17 : 6;
    tracker.enter();
    const ids = [there, back].map((ends) => {
      parseTuple({ ...ends, proto }, 0, tracker.scratch.parsed, 0);
      hashParsed(tracker.keys, tracker.scratch.parsed, 0);
      const record = findConn(tracker, 0, this.nowMs | 0) >>> 1;
      const life = tracker.words[(record << UNIT_SHIFT) + ConnWord.LIFE]!;
      return record === 0 ? `none of ${JSON.stringify(ends)}` : `${record}/${life >>> LIFE_GENERATION_SHIFT}`;
    });
    tracker.leave();
    expect(ids[1]).toBe(ids[0]);
    return ids[0]!;
  }

  async push(frame: Uint8Array): Promise<void> {
    await this.datapath.push(frame, { timeMs: this.#tick(), tag: this.packets++ });
  }

  #offer(frame: Uint8Array): void {
    if (this.datapath.offer(frame, { timeMs: this.#tick(), tag: this.packets })) {
      this.packets++;
    }
  }

  #tick(): number {
    if (this.packets % PACKETS_PER_MS === 0) {
      this.nowMs++;
    }
    return this.nowMs;
  }

  /** Sends packets of the known connections, both ways. Resolves when they have come back. */
  async keepAlive(): Promise<void> {
    for (const { protocol, there, back } of this.#established) {
      const isTcp = protocol === 'tcp';
      await this.push(isTcp ? tcp(there, { flags: 'A', seq: 101, ack: 901 }) : udp(there));
      await this.push(isTcp ? tcp(back, { flags: 'A', seq: 901, ack: 101 }) : udp(back));
    }
    await drainInTime(this.datapath);
  }

  /** Offers packets of every kind. A packet for a full ring is dropped, and not counted in `packets`. */
  pump(count: number): void {
    for (let i = 0; i < count; i++) {
      const kind = this.random(32);
      const ends = {
        src: `10.${this.random(64)}.${this.random(256)}.${this.random(256)}`,
        dst: SERVER,
        sport: 1024 + this.random(50_000),
        dport: 53,
      };
      if (kind < 16) {
        this.#offer(udp(ends));
      } else if (kind < 24) {
        this.#offer(tcp(ends, { flags: 'S', seq: 1 }));
      } else if (kind < 26) {
        const { src } = ends;
        const data = `PORT ${hostPort(src, 1 + this.random(1000))}\r\n`;
        this.#offer(tcpFrame({ ...ends, dport: 21 }, { flags: 'PA', seq: 101, ack: 901, data }));
      } else if (kind < 27) {
        /* One datagram in four stays incomplete. */
        const pieces = fragmentsOf(udp(ends, Buffer.alloc(2400)), this.random(65_536), 800);
        pieces.slice(this.random(4) === 0 ? 1 : 0).forEach((piece) => this.#offer(piece));
      } else {
        const { there, back, protocol } = this.#established[this.random(this.#established.length)]!;
        const isTcp = protocol === 'tcp';
        this.#offer(isTcp ? tcp(there, { flags: 'A', seq: 101, ack: 901 }) : udp(there));
        this.#offer(isTcp ? tcp(back, { flags: 'A', seq: 901, ack: 101 }) : udp(back));
      }
    }
  }

  /**
   * Waits until all threads are idle. Fails the test unless each packet came back once, the accounting holds, no lock is held,
   * and each known connection is still the same.
   */
  async check(): Promise<void> {
    await this.keepAlive();
    const { conntrack } = this.datapath;
    const { sweepRounds } = conntrack.counters();
    await until('the sweeper has done two rounds', () => conntrack.counters().sweepRounds >= sweepRounds + 2).catch(
      (error: unknown) => {
        console.log(heldLocks(conntrack), this.datapath.workers());
        throw error;
      },
    );
    this.datapath.harvest();
    const wrong = this.#back.subarray(0, this.packets).findIndex((times) => times !== 1);
    expect(wrong < 0 ? 'once' : `packet ${wrong} of ${this.packets}: ${this.#back[wrong]} times`).toBe('once');
    await untilNoLockIsHeld(conntrack);
    expectAccountingHolds(conntrack, this.nowMs);
    for (const flow of this.#established) {
      expect(this.#idOf(flow)).toBe(flow.id);
    }
    /* Incomplete lists of fragments expire, and complete ones go with their batch: none is left locked. */
    expect(conntrack.memory.fragments[FragmentsWord.MUTEX]).toBe(0);
  }
}
