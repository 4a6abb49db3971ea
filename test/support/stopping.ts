/** A datapath in which a test can stop a worker before any shared access of its work, and terminate it there. */

import { setEnvironmentData } from 'node:worker_threads';
import { expect } from 'vitest';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { FlowSteering } from '../../src/workers/datapath/flow-steering.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { ChecksumBit } from '../../src/core/packet/layout.ts';
import { ParsedWord } from '../../src/core/packet/key.ts';
import { parsePacket } from '../../src/core/packet/parse.ts';
import { allocateWords, type Words } from '../../src/shared/access.ts';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import type { WorkerDeath } from '../../src/workers/supervision/worker-types.ts';
import { WorkerWord, sweeperNumber, workerLine } from '../../src/workers/threads/status.ts';
import { STOP_WORDS_KEY, StopWord } from '../threads/stop-at.ts';
import { threadModule } from '../threads/entry.ts';
import { until } from '../threads/steps.ts';
import { expectAccountingHolds } from './accounting.ts';
import { type PortEnds, udp } from './frames.ts';
import { untilNoLockIsHeld } from './locks.ts';
import { drainInTime } from './turmoil.ts';

const THREADS = 2;
const MAX_PACKETS = 100_000;

export class StoppableDatapath {
  readonly datapath: Datapath;
  readonly deaths: WorkerDeath[] = [];
  readonly #stop: Words;
  readonly #back = new Uint8Array(MAX_PACKETS);
  readonly #steering = new FlowSteering();
  readonly #batch = PacketBatch.allocate();
  packets = 0;
  nowMs = 0;

  static async start(options: DatapathOptions): Promise<StoppableDatapath> {
    const stop = allocateWords(16);
    const before = { ...process.env };
    process.env['CT_CHECKED'] = '1';
    process.env['CT_WORKER_IMPORT'] = threadModule('stop-at');
    setEnvironmentData(STOP_WORDS_KEY, stop);
    const datapath = await Datapath.start({ threads: THREADS, maxConnections: 20_000, ringBytes: 1 << 20, ...options });
    /* The variables stay until the end: restarted workers read them too. */
    const stoppable = new StoppableDatapath(datapath, stop, () => {
      for (const name of ['CT_CHECKED', 'CT_WORKER_IMPORT']) {
        if (before[name] === undefined) {
          delete process.env[name];
        } else {
          process.env[name] = before[name];
        }
      }
    });
    return stoppable;
  }

  readonly #restoreEnvironment: () => void;

  private constructor(datapath: Datapath, stop: Words, restoreEnvironment: () => void) {
    this.datapath = datapath;
    this.#stop = stop;
    this.#restoreEnvironment = restoreEnvironment;
    stop[StopWord.STATUS_WORDS] = datapath.share.status.length;
    datapath.on('workerDeath', (death) => this.deaths.push(death));
    datapath.on('verdict', ({ tag }) => {
      this.#back[tag as number]!++;
    });
  }

  async end(): Promise<void> {
    this.#stop[StopWord.HEARTBEAT] = 0;
    await this.datapath.stop().catch(() => {});
    this.#restoreEnvironment();
  }

  /** The PMD and the bucket of a UDP flow. */
  placeOf(ends: PortEnds): { pmd: number; bucket: number } {
    const { tracker } = this.datapath.conntrack;
    const frame = udp(ends);
    this.#batch.clear();
    this.#batch.add(frame, { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD });
    const { parsed } = tracker.scratch;
    parsePacket(this.#batch.words, this.#batch.slots[0]!, parsed, 0, 0);
    const bucket = tracker.table.bucketOf(hashParsed(tracker.keys, parsed, 0), parsed, ParsedWord.META);
    return { pmd: this.#steering.workerOf(frame, THREADS), bucket };
  }

  async push(ends: PortEnds): Promise<void> {
    await this.datapath.push(udp(ends), { timeMs: this.nowMs, tag: this.packets++ });
  }

  /**
   * Stops the worker before the access number `access` of `work`, runs `meanwhile`, and terminates the worker there. Then fails
   * the test unless the repair is complete and the accounting holds.
   * @returns whether the worker reached that access; false if `work` has fewer accesses
   */
  async stopAt(
    role: 'pmd' | 'sweeper',
    access: number,
    work: () => Promise<void>,
    meanwhile: () => Promise<void>,
  ): Promise<boolean> {
    const { datapath } = this;
    const stop = this.#stop;
    const line = workerLine(THREADS, role === 'pmd' ? 0 : sweeperNumber(THREADS));
    await until('all are up', () => datapath.workers().every(({ isUp }) => isUp));
    stop[StopWord.ACCESS] = access;
    stop[StopWord.FROM] = role === 'pmd' ? 1 : 2;
    stop[StopWord.OUTCOME] = 0;
    Atomics.store(stop, StopWord.HEARTBEAT, line + WorkerWord.HEARTBEAT);
    await work();
    await until('the worker has stopped, or is done', () => {
      /* harvest moves the sweeper's time on to that of the packets that have come back. */
      datapath.harvest();
      return Atomics.load(stop, StopWord.OUTCOME) !== 0;
    });
    const hasStopped = stop[StopWord.OUTCOME] === 1;
    const deaths = this.deaths.length;
    if (hasStopped) {
      await meanwhile();
      datapath.terminateWorker(role, 0);
      await until('its death is noticed', () => this.deaths.length > deaths);
      expect(this.deaths[deaths]).toMatchObject({ role, index: 0, repaired: { isComplete: true } });
    }
    await drainInTime(datapath);
    await this.#settle();
    expect(this.#back.subarray(0, this.packets).findIndex((times) => times !== 1)).toBe(-1);
    await untilNoLockIsHeld(datapath.conntrack);
    expectAccountingHolds(datapath.conntrack, this.nowMs);
    return hasStopped;
  }

  /** Waits until the sweeper has done a whole round after the last packet. */
  async #settle(): Promise<void> {
    const { conntrack } = this.datapath;
    const { sweepRounds } = conntrack.counters();
    await until('the sweeper has done two rounds', () => conntrack.counters().sweepRounds >= sweepRounds + 2);
  }
}
