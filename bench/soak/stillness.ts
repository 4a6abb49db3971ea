/** Brings all threads of a soak to rest for the checks, and lets them go on. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { SettingWord } from '../../src/core/memory/memory-layout.ts';
import { load } from '../../src/shared/access.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';
import { RECORD_CLASSES, SLAB_CACHE_WORDS, SlabLayout } from '../../src/shared/memory/slab.ts';
import type { Datapath } from '../../src/workers/datapath/datapath.ts';
import { Command, SideWord, type SideWords } from './side-words.ts';

/** Time between two checks for activity, and the time after which reach() gives up. */
const STILL_MS = 20;
const MOST_STILL_MS = 30_000;
/** A sweep interval that pauses the sweeper. */
const NEVER_MS = 0x7fffffff;

export class Stillness {
  readonly #datapath: Datapath;
  readonly #side: SideWords;
  /** The sweep interval before the pause. */
  #sweepIntervalMs = 0;

  constructor(datapath: Datapath, side: SideWords) {
    this.#datapath = datapath;
    this.#side = side;
  }

  /** Waits until no thread works. @returns the reasons why threads do not come to rest */
  async reach(): Promise<string[]> {
    const { conntrack } = this.#datapath;
    await this.#datapath.drain();
    this.#side.command(Command.stand);
    const deadlineMs = performance.now() + MOST_STILL_MS;
    /* Wait for the side thread first, since it may be about to set the interval. */
    while (load(this.#side.words, SideWord.STANDS) === 0 && performance.now() < deadlineMs) {
      await delay(1);
    }
    if (conntrack.sweepIntervalMs !== NEVER_MS) {
      this.#sweepIntervalMs = conntrack.sweepIntervalMs;
    }
    conntrack.sweepIntervalMs = NEVER_MS;
    let rounds = -1;
    for (;;) {
      const before = rounds;
      rounds = conntrack.counters().sweepRounds;
      /* Workers that are being restarted must come up first. */
      if (before === rounds && this.#datapath.workers().every(({ isUp }) => isUp) && this.#isStill()) {
        return [];
      }
      if (performance.now() > deadlineMs) {
        return ['the threads do not come to rest'];
      }
      this.#side.moved();
      await delay(STILL_MS);
    }
  }

  /** Lets the sweeper and the side thread continue. */
  end(): void {
    this.#datapath.conntrack.sweepIntervalMs = this.#sweepIntervalMs;
    this.#side.command(Command.run);
  }

  #isStill(): boolean {
    const { words, settings, participants } = this.#datapath.conntrack.tracker;
    if (load(this.#side.words, SideWord.STANDS) === 0 || load(words, settings + SettingWord.PRESSURE) !== 0) {
      return false;
    }
    for (let id = 0; id < participants.maxParticipants; id++) {
      if (load(words, participants.base + id * PARTICIPANT_WORDS + ParticipantWord.EPOCH) !== 0) {
        return false;
      }
    }
    return true;
  }
}

/** Records of all participants that wait for an epoch. */
export function retiredRecords(conntrack: Conntrack): number {
  const { words, participants } = conntrack.tracker;
  let retired = 0;
  for (let id = 0; id < participants.maxParticipants; id++) {
    for (let recordClass = 0; recordClass < RECORD_CLASSES; recordClass++) {
      const cache =
        participants.base + id * PARTICIPANT_WORDS + ParticipantWord.CACHES + recordClass * SLAB_CACHE_WORDS;
      retired += words[cache + SlabLayout.RETIRED_COUNT]!;
    }
  }
  return retired;
}
