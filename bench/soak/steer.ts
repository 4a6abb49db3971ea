/**
 * Control operations on the table of a soak while packets pass: limits and settings change, and there are dumps, flushes and
 * queries like those of the control socket. The side thread does this, never the main thread. These operations take locks, and
 * the main thread must not wait for the lock of a dead worker, since it repairs after that worker.
 */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { LIMITED_ZONES, SoakZone } from './options.ts';

export class Steering {
  readonly #conntrack: Conntrack;
  readonly #random: () => number;
  readonly #most: number;
  /** Operations with a wrong result. */
  readonly failures: string[] = [];

  constructor(conntrack: Conntrack, random: () => number) {
    this.#conntrack = conntrack;
    this.#random = random;
    this.#most = conntrack.memory.maxConnections;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** Does one randomly chosen operation. */
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
        this.failures.push(`a dump of protocol ${proto} returned a connection of another protocol`);
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
      this.failures.push(`the statistics count ${total} connections, but the buckets hold ${sum}`);
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
    const hasPolicy = conntrack.timeoutPolicy(9) !== undefined;
    conntrack.setZoneTimeoutPolicy(SoakZone.flood, hasPolicy && this.#below(2) === 0 ? 9 : 0);
  }
}
