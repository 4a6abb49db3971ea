/** Where the verdicts of a datapath go: to its listeners, and to the readers of `verdicts()`. */

import { PacketWord } from '../../core/packet/layout.ts';
import type { Words } from '../../shared/access.ts';
import { Listeners } from './listeners.ts';
import type { PmdRings } from './pmd-rings.ts';
import { Tags } from './tags.ts';
import { type VerdictsOptions, VerdictStream } from './verdict-stream.ts';
import { type PacketVerdict, VerdictView } from './verdict-view.ts';

export interface FeedOptions {
  /** Told whether a reader has more to read than it wants to. */
  pause(isFull: boolean): void;
}

export class VerdictFeed<Tag> {
  readonly tags = new Tags<Tag>();
  readonly listeners = new Listeners<Tag>((error) => this.tellError(error));
  readonly #view = new VerdictView<Tag>(this.tags);
  readonly #options: FeedOptions;
  #streams: readonly VerdictStream<Tag>[] = [];
  /** What a listener has thrown while nobody listened to errors. */
  #listenerError: { error: unknown } | undefined;
  #isTellingError = false;

  constructor(rings: PmdRings, options: FeedOptions) {
    this.#options = options;
    rings.onReturn = (words, slot, worker) => this.#show(words, slot, worker);
    rings.onDeferred = (words, slot, worker) => this.#showDeferred(words, slot, worker);
    rings.onRoundEnd = () => this.tags.endRound();
  }

  /** The verdicts from now on, for one reader. @throws UsageError on a wrong option */
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
      this.#tell('verdict');
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
      this.#tell('deferred');
    }
    this.tags.release(words[slot + PacketWord.NUMBER]!);
  }

  #tell(name: 'verdict' | 'deferred'): void {
    const view = this.#view;
    try {
      if (this.#streams.length > 0) {
        const copy = view.copy();
        this.#streams.forEach((stream) => stream.add(copy));
      }
      this.listeners.tell(name, view);
    } finally {
      view.end();
    }
  }

  /** Without a listener to errors `drain` or `stop` throws it at its end: it must not end pushes that wait, or other listeners. */
  tellError(thrown: unknown): void {
    if (this.listeners.has('error') && !this.#isTellingError) {
      this.#isTellingError = true;
      const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
      this.listeners.tell('error', error);
      this.#isTellingError = false;
    } else if (this.#listenerError === undefined) {
      this.#listenerError = { error: thrown };
      process.emitWarning(`a listener of a datapath has thrown: ${String(thrown)}`, {
        type: 'CtBucketWarning',
        detail: "drain() or stop() throws it; listen to 'error' to be told at once",
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

  /** The datapath cannot go on: `push`, `drain` and `stop` throw the same. */
  fail(error: Error): void {
    this.end({ error });
    if (this.listeners.has('error')) {
      this.listeners.tell('error', error);
    }
  }

  /** No verdicts will come any more. */
  end(failure?: { error: unknown }): void {
    this.#streams.forEach((stream) => stream.end(failure));
    this.#streams = [];
    this.#options.pause(false);
  }
}
