/** Settings of a table that may change while it runs. A change applies to all threads. */

import { load, notify, store } from '../shared/access.ts';
import { expectFlag, shown, UsageError } from './errors.ts';
import { SettingWord } from './memory/memory-layout.ts';
import { checkTableFull, type TableFull } from './memory/table-options.ts';
import type { Tracker } from './tracker.ts';

const MAX_SWEEP_INTERVAL_MS = 0x7fffffff;

export class TableSettings {
  readonly #tracker: Tracker;

  constructor(tracker: Tracker) {
    this.#tracker = tracker;
  }

  #read(word: number): number {
    this.#tracker.assertOpen();
    return load(this.#tracker.words, this.#tracker.settings + word);
  }

  #write(word: number, value: number): void {
    store(this.#tracker.words, this.#tracker.settings + word, value);
  }

  get maxConnections(): number {
    this.#tracker.assertOpen();
    const { pools, pool } = this.#tracker.quota;
    return pools.limit(pool);
  }

  set maxConnections(limit: number) {
    this.#tracker.assertOpen();
    const capacity = this.#tracker.memory.maxConnections;
    if (!Number.isInteger(limit) || limit < 0 || limit > capacity) {
      throw new UsageError(
        `maxConnections must be a whole number from 0 to ${capacity}, the capacity of the table, not ${shown(limit)}`,
      );
    }
    const { pools, pool } = this.#tracker.quota;
    pools.setLimit(pool, limit);
  }

  get tableFull(): TableFull {
    return this.#read(SettingWord.EARLY_DROP) !== 0 ? 'early-drop' : 'refuse';
  }

  set tableFull(tableFull: TableFull) {
    this.#tracker.assertOpen();
    this.#write(SettingWord.EARLY_DROP, checkTableFull(tableFull) === 'early-drop' ? 1 : 0);
  }

  get tcpSeqChk(): boolean {
    return this.#read(SettingWord.TCP_SEQ_CHK) !== 0;
  }

  set tcpSeqChk(isOn: boolean) {
    this.#tracker.assertOpen();
    expectFlag('tcpSeqChk', isOn);
    this.#write(SettingWord.TCP_SEQ_CHK, isOn ? 1 : 0);
  }

  get sweepIntervalMs(): number {
    return this.#read(SettingWord.SWEEP_INTERVAL_MS);
  }

  set sweepIntervalMs(ms: number) {
    this.#tracker.assertOpen();
    if (!Number.isInteger(ms) || ms < 1 || ms > MAX_SWEEP_INTERVAL_MS) {
      throw new UsageError(
        `the sweep interval must be a whole number of ms from 1 to ${MAX_SWEEP_INTERVAL_MS}, not ${shown(ms)}`,
      );
    }
    const { words, settings } = this.#tracker;
    this.#write(SettingWord.SWEEP_INTERVAL_MS, ms);
    /* Wake the sweeper, which may be asleep for the old interval. */
    store(words, settings + SettingWord.PRESSURE, 1);
    notify(words, settings + SettingWord.PRESSURE, 1);
  }
}
