/** Verdicts for `for await`: batches of copies, at the pace of the reader. */

import { expectSignal, expectWhole } from '../../core/errors.ts';
import { expectOptions, type OptionNames } from '../../core/options/option-names.ts';
import type { PacketVerdict } from './verdict-view.ts';

export interface VerdictsOptions {
  /**
   * While this many verdicts wait for the reader, the datapath takes no packets back. The rings fill up, `push` waits, and `offer`
   * returns false. Default 4096.
   */
  highWaterMark?: number;
  /** Ends the iteration, without an error. */
  signal?: AbortSignal;
}

const NAMES: OptionNames<VerdictsOptions> = { highWaterMark: true, signal: true };
const DEFAULT_HIGH_WATER_MARK = 4096;
const MOST_HIGH_WATER_MARK = 1_000_000_000;

interface Reader<Tag> {
  resolve(result: IteratorResult<PacketVerdict<Tag>[], undefined>): void;
  reject(error: unknown): void;
}

export class VerdictStream<Tag> implements AsyncIterableIterator<PacketVerdict<Tag>[]> {
  readonly #highWaterMark: number;
  readonly #signal: AbortSignal | undefined;
  /** Called when `isFull` changes, and when the reader ends the iteration. */
  readonly #onChange: () => void;
  readonly #abort: () => void;
  #batch: PacketVerdict<Tag>[] = [];
  #readers: Reader<Tag>[] = [];
  #isEnded = false;
  #isWoken = false;
  #failure: { error: unknown } | undefined;

  /** @throws UsageError for a wrong option */
  constructor(given: VerdictsOptions, onChange: () => void) {
    const options = expectOptions('the options of verdicts', given, NAMES);
    const { highWaterMark = DEFAULT_HIGH_WATER_MARK } = options;
    this.#highWaterMark = expectWhole('highWaterMark', highWaterMark, 1, MOST_HIGH_WATER_MARK);
    this.#signal = expectSignal(options.signal);
    this.#onChange = onChange;
    this.#abort = () => void this.return();
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
    if (this.#signal?.aborted === true) {
      this.#isEnded = true;
    }
  }

  get isFull(): boolean {
    return !this.#isEnded && this.#batch.length >= this.#highWaterMark;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  add(verdict: PacketVerdict<Tag>): void {
    if (this.#isEnded) {
      return;
    }
    this.#batch.push(verdict);
    if (this.#batch.length === this.#highWaterMark) {
      this.#onChange();
    }
    if (this.#readers.length > 0 && !this.#isWoken) {
      this.#isWoken = true;
      /* Later: all packets of this round belong in one batch. */
      queueMicrotask(() => {
        this.#isWoken = false;
        this.#serve();
      });
    }
  }

  /** Ends the stream. Verdicts that are here can still be read. */
  end(failure?: { error: unknown }): void {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#failure = failure;
      this.#signal?.removeEventListener('abort', this.#abort);
      this.#serve();
    }
  }

  #serve(): void {
    if (this.#readers.length > 0 && this.#batch.length > 0) {
      this.#readers.shift()!.resolve({ done: false, value: this.#take() });
    }
    if (this.#isEnded && this.#batch.length === 0) {
      for (const reader of this.#readers.splice(0)) {
        this.#finish(reader);
      }
    }
  }

  #finish({ resolve, reject }: Reader<Tag>): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined) {
      resolve({ done: true, value: undefined });
    } else {
      reject(failure.error);
    }
  }

  #take(): PacketVerdict<Tag>[] {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length >= this.#highWaterMark) {
      this.#onChange();
    }
    return batch;
  }

  next(): Promise<IteratorResult<PacketVerdict<Tag>[], undefined>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  /** Ends the iteration for the reader (`break`), and drops unread verdicts. */
  return(): Promise<IteratorResult<PacketVerdict<Tag>[], undefined>> {
    this.#batch = [];
    this.end();
    this.#onChange();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
