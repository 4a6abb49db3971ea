/** Hands the verdicts of a datapath to its listeners, and to the readers of `verdicts()`. */

import { PacketWord } from '../../core/packet/layout.ts';
import type { Words } from '../../shared/access.ts';
import { Listeners } from './listeners.ts';
import type { PmdRings } from './pmd-rings.ts';
import { Tags } from './tags.ts';
import { type VerdictsOptions, VerdictStream } from './verdict-stream.ts';
import { type PacketVerdict, VerdictView } from './verdict-view.ts';

export interface FeedOptions {
  /** Called with true while a reader has reached its high water mark. */
  pause(isFull: boolean): void;
}

export class VerdictFeed<Tag> {
  readonly tags = new Tags<Tag>();
  readonly listeners = new Listeners<Tag>((error) => this.reportError(error));
  readonly #view = new VerdictView<Tag>(this.tags);
  readonly #options: FeedOptions;
  #streams: readonly VerdictStream<Tag>[] = [];
  /** The first error that a listener has thrown without a listener to `error`. */
  #listenerError: { error: unknown } | undefined;
  #isReportingError = false;

  constructor(rings: PmdRings, options: FeedOptions) {
    this.#options = options;
    rings.onReturn = (words, slot, worker) => this.#show(words, slot, worker);
    rings.onDeferred = (words, slot, worker) => this.#showDeferred(words, slot, worker);
    rings.onRoundEnd = () => this.tags.endRound();
  }

  /** All verdicts from now on, for one reader. @throws UsageError for a wrong option */
  open(options: VerdictsOptions): AsyncIterableIterator<PacketVerdict<Tag>[]> {
    const stream = new VerdictStream<Tag>(options, () => this.#streamChanged());
    this.#streams = [...this.#streams, stream];
    this.#streamChanged();
    return stream;
  }

  #streamChanged(): void {
    this.#streams = this.#streams.filter(({ isEnded }) => !isEnded);
    this.#options.pause(this.#streams.some(({ isFull }) => isFull));
  }

  #show(words: Words, slot: number, worker: number): void {
    if (this.#streams.length > 0 || this.listeners.has('verdict')) {
      this.#view.point(words, slot, worker, false);
      this.#emit('verdict');
    }
    const number = words[slot + PacketWord.NUMBER]!;
    const isHeld = words[slot + PacketWord.STATE] === 0 && words[slot + PacketWord.REASON] === 0;
    if (isHeld) {
      this.tags.hold(number);
    } else {
      this.tags.release(number);
    }
  }

  #showDeferred(words: Words, slot: number, worker: number): void {
    if (this.#streams.length > 0 || this.listeners.has('deferred')) {
      this.#view.point(words, slot, worker, true);
      this.#emit('deferred');
    }
    this.tags.release(words[slot + PacketWord.NUMBER]!);
  }

  #emit(name: 'verdict' | 'deferred'): void {
    const view = this.#view;
    try {
      if (this.#streams.length > 0) {
        const copy = view.copy();
        this.#streams.forEach((stream) => stream.add(copy));
      }
      this.listeners.emit(name, view);
    } finally {
      view.end();
    }
  }

  /**
   * Hands an error of a listener to the listeners of `error`. Without any, `drain` or `stop` throws it later: it must not end
   * waiting pushes, or keep other listeners from being called.
   */
  reportError(thrown: unknown): void {
    if (this.listeners.has('error') && !this.#isReportingError) {
      this.#isReportingError = true;
      const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
      this.listeners.emit('error', error);
      this.#isReportingError = false;
    } else if (this.#listenerError === undefined) {
      this.#listenerError = { error: thrown };
      process.emitWarning(`a listener of a datapath has thrown: ${String(thrown)}`, {
        type: 'CtBucketWarning',
        detail: "drain() or stop() throws this error. Listen to 'error' to get it at once.",
      });
    }
  }

  throwListenerError(): void {
    const thrown = this.#listenerError;
    this.#listenerError = undefined;
    if (thrown !== undefined) {
      throw thrown.error;
    }
  }

  /** The datapath has failed: readers and listeners get the error that `push`, `drain` and `stop` throw. */
  fail(error: Error): void {
    this.end({ error });
    if (this.listeners.has('error')) {
      this.listeners.emit('error', error);
    }
  }

  /** Ends all readers: no more verdicts come. */
  end(failure?: { error: unknown }): void {
    this.#streams.forEach((stream) => stream.end(failure));
    this.#streams = [];
    this.#options.pause(false);
  }
}
