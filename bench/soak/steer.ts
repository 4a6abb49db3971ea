/**
 * What the main thread of a soak does to the table while packets pass: limits and settings that change, dumps, flushes and
 * questions as the control socket has them, and a reader of events that comes and goes.
 */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { type EventReader } from '../../src/core/event-reader.ts';
import { LIMITED_ZONES, SoakZone } from './options.ts';

export class Steering {
  readonly #conntrack: Conntrack;
  readonly #random: () => number;
  readonly #most: number;
  #reader: EventReader | undefined;
  /** Events since the reader came, by kind. */
  #new = 0;
  #destroyed = 0;
  #read = 0;
  /** What did not answer as it must. */
  readonly failures: string[] = [];

  constructor(conntrack: Conntrack, random: () => number) {
    this.#conntrack = conntrack;
    this.#random = random;
    this.#most = conntrack.maxConnections;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** Does one thing or another. */
  act(nowMs: number): void {
    const actions = [this.#limit, this.#set, this.#dump, this.#ask, this.#flush, this.#policies];
    actions[this.#below(actions.length)]!.call(this, nowMs);
  }

  #limit(): void {
    const conntrack = this.#conntrack;
    conntrack.maxConnections = this.#below(4) === 0 ? this.#most : Math.ceil(this.#most * (0.6 + 0.4 * this.#random()));
    const zone = LIMITED_ZONES[this.#below(LIMITED_ZONES.length)]!;
    if (this.#below(4) === 0) {
      conntrack.deleteZoneLimit(zone);
    } else {
      conntrack.setZoneLimit(zone, this.#below(Math.ceil(this.#most / 4)));
    }
  }

  #set(): void {
    const conntrack = this.#conntrack;
    conntrack.tableFull = this.#below(2) === 0 ? 'refuse' : 'early-drop';
    conntrack.sweepIntervalMs = 50 + this.#below(500);
    conntrack.fragments.setMaxFrags(100 + this.#below(900));
    conntrack.tcpSeqChk = this.#below(4) !== 0;
  }

  #dump(nowMs: number): void {
    const proto = [6, 17, 1][this.#below(3)]!;
    const buckets = this.#below(64);
    let seen = 0;
    for (const entries of this.#conntrack.dump({ nowMs, filter: { proto, seen: 'unreplied' } })) {
      if (entries.some((entry) => entry.orig.proto !== proto)) {
        this.failures.push(`a dump of protocol ${proto} had another one's connection`);
      }
      if (++seen > buckets) {
        break;
      }
    }
  }

  #ask(nowMs: number): void {
    const conntrack = this.#conntrack;
    const { total, byBucket } = conntrack.stats({ nowMs, zone: SoakZone.flood });
    const sum = byBucket.reduce((all, count) => all + count, 0);
    if (sum !== total) {
      this.failures.push(`stats say ${total} connections, and ${sum} in all buckets`);
    }
    conntrack.counters();
    conntrack.participantCounters();
    conntrack.dumpExpectations({ zone: SoakZone.ftp });
    conntrack.fragmentLists();
    conntrack.zoneLimit(SoakZone.flood);
  }

  #flush(nowMs: number): void {
    const conntrack = this.#conntrack;
    const what = this.#below(4);
    if (what === 0) {
      conntrack.flush({ zone: SoakZone.marks, nowMs });
    } else if (what === 1) {
      conntrack.flush({ filter: { zone: SoakZone.ftp, orig: { dst: '10.10.0.1' } }, nowMs });
    } else if (what === 2) {
      conntrack.flush({ filter: { orig: { dst: `10.102.0.${this.#below(16)}` } }, nowMs });
    } else {
      const tuple = { src: '11.0.0.1', dst: '10.10.0.1', proto: 17, sport: 4000, dport: 4000 };
      conntrack.flushTuple(tuple, { nowMs, zone: SoakZone.marks });
    }
  }

  #policies(): void {
    const conntrack = this.#conntrack;
    if (this.#below(3) === 0) {
      conntrack.deleteTimeoutPolicy(9);
    } else {
      conntrack.setTimeoutPolicy(9, { udp_first: 1 + this.#below(20), udp_multiple: 1 + this.#below(20) });
    }
    conntrack.setZoneTimeoutPolicy(SoakZone.flood, this.#below(2) === 0 ? 9 : 0);
  }

  /** Takes what events there are. */
  readEvents(): void {
    for (const event of this.#reader?.drain() ?? []) {
      this.#read++;
      this.#new += event.kind === 'new' ? 1 : 0;
      this.#destroyed += event.kind === 'destroy' ? 1 : 0;
    }
  }

  /**
   * While no thread is at work: ends the reading of this interval, and begins that of the next in every other one.
   * @param before, after connections at the last call and now
   * @returns what was read; null: nobody read
   */
  turnEvents(before: number, after: number): { read: number; lost: number } | null {
    this.readEvents();
    let result: { read: number; lost: number } | null = null;
    if (this.#reader === undefined) {
      this.#reader = this.#conntrack.events();
    } else {
      const { lost } = this.#reader;
      result = { read: this.#read, lost };
      if (lost === 0 && this.#new - this.#destroyed !== after - before) {
        this.failures.push(
          `${this.#new} connections began and ${this.#destroyed} ended by the events, but there were ${before} and are ${after}`,
        );
      }
      this.#reader.close();
      this.#reader = undefined;
    }
    this.#read = 0;
    this.#new = 0;
    this.#destroyed = 0;
    return result;
  }

  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }
}
