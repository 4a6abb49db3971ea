/**
 * Packets that were pushed while the ring of their PMD was full, or while the clock leaps ahead. They go in the order in which they
 * were pushed, those of one ring after each other: a push that need not wait must not overtake one that does, and a ring has one
 * waiter at a time.
 */

export interface Push {
  worker: number;
  /** Its own copy: the caller may reuse what it has pushed. */
  frame: Uint8Array;
  timeMs: number;
  /** That of its tag, and that of its action. */
  number: number;
  action: number;
}

/** What pushes need of their datapath. */
export interface PushTarget {
  /** Puts the packet into the ring of its PMD. @returns false while the ring is full */
  write(push: Push): boolean;
  /** Takes back what PMDs have given back. */
  harvest(): void;
  /** Resolves when the PMD has given something back, or after a while. Rejects when the datapath cannot go on. */
  untilReturns(worker: number): Promise<void>;
  /** Is the time so far ahead of the last packet's that no PMD may still be at work when this one comes? */
  leapsAhead(timeMs: number): boolean;
  /** Resolves when all rings are empty. Rejects when the datapath cannot go on. */
  untilEmpty(): Promise<void>;
}

interface Waiting {
  push: Push;
  resolve(): void;
  reject(error: unknown): void;
}

/** First in, first out. */
class Queue {
  #items: Waiting[] = [];
  #first = 0;
  /** Somebody works on the queue. */
  isServed = false;

  get length(): number {
    return this.#items.length - this.#first;
  }

  get first(): Waiting | undefined {
    return this.#items[this.#first];
  }

  add(item: Waiting): void {
    this.#items.push(item);
  }

  removeFirst(): void {
    this.#first++;
    if (2 * this.#first >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
  }

  /** @returns whether it was there */
  remove(item: Waiting): boolean {
    const at = this.#items.indexOf(item, this.#first);
    if (at >= 0) {
      this.#items.splice(at, 1);
    }
    return at >= 0;
  }

  takeAll(): Waiting[] {
    const all = this.#items.slice(this.#first);
    this.#items = [];
    this.#first = 0;
    return all;
  }
}

export class WaitingPushes {
  readonly #target: PushTarget;
  /** For each PMD: what waits for room in its ring. */
  readonly #rings: Queue[];
  /** A packet whose time leaps ahead, and all that were pushed after it. */
  readonly #behindLeap = new Queue();
  #onSettled: (() => void)[] = [];

  constructor(rings: number, target: PushTarget) {
    this.#rings = Array.from({ length: rings }, () => new Queue());
    this.#target = target;
  }

  /** Pushes that wait. */
  get count(): number {
    return this.#rings.reduce((sum, { length }) => sum + length, this.#behindLeap.length);
  }

  /** Would a packet for this PMD overtake one that waits? */
  mustWait(worker: number): boolean {
    return this.#behindLeap.length > 0 || this.#rings[worker]!.length > 0;
  }

  /**
   * Lets a push wait for its turn. Resolves when the packet is in the ring. Rejects when the datapath cannot go on, or with the
   * reason of the signal: the packet is then not handed in.
   */
  add(push: Push, signal?: AbortSignal): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const item: Waiting = { push, resolve, reject };
      if (signal !== undefined) {
        this.#withdrawOn(signal, item);
      }
      if (this.#behindLeap.length > 0 || this.#target.leapsAhead(push.timeMs)) {
        this.#behindLeap.add(item);
        this.#serve(this.#behindLeap, () => this.#passLeap());
      } else {
        this.#addToRing(item);
      }
    });
    /* The caller may not await it: `drain` and `stop` report the same failure. */
    promise.catch(() => {});
    return promise;
  }

  #withdrawOn(signal: AbortSignal, item: Waiting): void {
    const { resolve, reject } = item;
    const withdraw = () => {
      if ([this.#behindLeap, ...this.#rings].some((queue) => queue.remove(item))) {
        reject(signal.reason);
        this.#tellSettled();
      }
    };
    signal.addEventListener('abort', withdraw, { once: true });
    item.resolve = () => {
      signal.removeEventListener('abort', withdraw);
      resolve();
    };
    item.reject = (error) => {
      signal.removeEventListener('abort', withdraw);
      reject(error);
    };
  }

  /** Resolves when none waits any more. */
  settled(): Promise<void> {
    return this.#settledWhere(() => this.count === 0);
  }

  /** Those that wait are lost. */
  rejectAll(error: unknown): void {
    for (const queue of [...this.#rings, this.#behindLeap]) {
      queue.takeAll().forEach(({ reject }) => reject(error));
    }
    this.#tellSettled();
  }

  #addToRing(item: Waiting): void {
    const queue = this.#rings[item.push.worker]!;
    queue.add(item);
    this.#serve(queue, () => this.#untilWritten(item.push.worker));
  }

  /** Moves the first of a queue on, one after another, as long as there are any. One at a time does so. */
  #serve(queue: Queue, moveFirstOn: () => Promise<void>): void {
    if (queue.isServed) {
      return;
    }
    queue.isServed = true;
    const work = async () => {
      try {
        while (queue.length > 0) {
          await moveFirstOn();
        }
      } catch (error) {
        /* Whatever waits meanwhile would fail in the same way. */
        queue.takeAll().forEach(({ reject }) => reject(error));
      } finally {
        queue.isServed = false;
        this.#tellSettled();
      }
    };
    void work();
  }

  async #untilWritten(worker: number): Promise<void> {
    const queue = this.#rings[worker]!;
    this.#target.harvest();
    for (let item = queue.first; item !== undefined; item = queue.first) {
      if (!this.#target.write(item.push)) {
        await this.#target.untilReturns(worker);
        return;
      }
      queue.removeFirst();
      item.resolve();
    }
  }

  async #passLeap(): Promise<void> {
    const item = this.#behindLeap.first!;
    if (this.#target.leapsAhead(item.push.timeMs)) {
      await this.#settledWhere(() => this.#rings.every(({ length }) => length === 0));
      await this.#target.untilEmpty();
    }
    /* Else all were rejected meanwhile. */
    if (this.#behindLeap.first === item) {
      this.#behindLeap.removeFirst();
      this.#addToRing(item);
    }
  }

  async #settledWhere(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => this.#onSettled.push(resolve));
    }
  }

  #tellSettled(): void {
    const told = this.#onSettled;
    this.#onSettled = [];
    told.forEach((resolve) => resolve());
  }
}
