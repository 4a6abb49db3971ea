/**
 * Pushes that wait, because the ring of their PMD is full, or because their time leaps far ahead. Those of one ring go one after
 * another, in the order of the calls. A push that need not wait must not overtake one that waits. A ring has one waiter at a time.
 */

export interface Push {
  worker: number;
  /** A copy: the caller may reuse the frame. */
  frame: Uint8Array;
  timeMs: number;
  /** Number of its tag. */
  number: number;
  /** Number of its action. */
  action: number;
}

/** The calls of the datapath that waiting pushes need. */
export interface PushTarget {
  /** Writes the packet into the ring of its PMD. @returns false if the ring is full */
  write(push: Push): boolean;
  /** Takes packets back. */
  harvest(): void;
  /** Resolves when the PMD has given packets back, or after a while. Rejects when the datapath has failed. */
  untilReturns(worker: number): Promise<void>;
  /** Whether the time is so far ahead that all rings must be empty before the packet goes in. */
  leapsAhead(timeMs: number): boolean;
  /** Resolves when all rings are empty. Rejects when the datapath has failed. */
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
  /** A loop moves this queue on. */
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

  remove(items: ReadonlySet<Waiting>): void {
    this.#items = this.#items.slice(this.#first).filter((item) => !items.has(item));
    this.#first = 0;
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
  /** For each PMD: pushes that wait for space in its ring. */
  readonly #rings: Queue[];
  /** A push whose time leaps ahead, and all pushes after it. */
  readonly #behindLeap = new Queue();
  /** Pushes that wait, by their signal. One listener serves all of them: thousands of pushes may share a signal. */
  readonly #bySignal = new Map<AbortSignal, Set<Waiting>>();
  readonly #onAbort = ({ target }: { target: unknown }): void => this.#withdraw(target as AbortSignal);
  #onSettled: (() => void)[] = [];

  constructor(rings: number, target: PushTarget) {
    this.#rings = Array.from({ length: rings }, () => new Queue());
    this.#target = target;
  }

  /** Pushes that wait. */
  get count(): number {
    return this.#rings.reduce((sum, { length }) => sum + length, this.#behindLeap.length);
  }

  /** Whether a packet for this PMD would overtake one that waits. */
  mustWait(worker: number): boolean {
    return this.#behindLeap.length > 0 || this.#rings[worker]!.length > 0;
  }

  /**
   * Lets a push wait for its turn. Resolves when the packet is in the ring. Rejects when the datapath has failed, or with the
   * signal's reason. The packet is then not pushed.
   */
  add(push: Push, signal?: AbortSignal): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const item: Waiting = { push, resolve, reject };
      if (signal !== undefined) {
        this.#linkTo(signal, item);
      }
      if (this.#behindLeap.length > 0 || this.#target.leapsAhead(push.timeMs)) {
        this.#behindLeap.add(item);
        this.#serve(this.#behindLeap, () => this.#passLeap());
      } else {
        this.#addToRing(item);
      }
    });
    /* The caller need not await the promise: `drain` and `stop` throw the same error. */
    promise.catch(() => {});
    return promise;
  }

  /** Until the push is settled, its signal can withdraw it. */
  #linkTo(signal: AbortSignal, item: Waiting): void {
    const { resolve, reject } = item;
    let items = this.#bySignal.get(signal);
    if (items === undefined) {
      items = new Set();
      this.#bySignal.set(signal, items);
      signal.addEventListener('abort', this.#onAbort);
    }
    items.add(item);
    item.resolve = () => {
      this.#unlink(signal, item);
      resolve();
    };
    item.reject = (error) => {
      this.#unlink(signal, item);
      reject(error);
    };
  }

  #unlink(signal: AbortSignal, item: Waiting): void {
    const items = this.#bySignal.get(signal);
    items?.delete(item);
    if (items?.size === 0) {
      this.#bySignal.delete(signal);
      signal.removeEventListener('abort', this.#onAbort);
    }
  }

  #withdraw(signal: AbortSignal): void {
    const items = new Set(this.#bySignal.get(signal));
    for (const queue of [this.#behindLeap, ...this.#rings]) {
      queue.remove(items);
    }
    items.forEach(({ reject }) => reject(signal.reason));
    this.#notifySettled();
  }

  /** Resolves when no push waits any more. */
  settled(): Promise<void> {
    return this.#settledWhere(() => this.count === 0);
  }

  /** Rejects all waiting pushes. */
  rejectAll(error: unknown): void {
    for (const queue of [...this.#rings, this.#behindLeap]) {
      queue.takeAll().forEach(({ reject }) => reject(error));
    }
    this.#notifySettled();
  }

  #addToRing(item: Waiting): void {
    const queue = this.#rings[item.push.worker]!;
    queue.add(item);
    this.#serve(queue, () => this.#untilWritten(item.push.worker));
  }

  /** Moves a queue on until it is empty. One loop at a time does so. */
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
        /* Pushes that came meanwhile would fail in the same way. */
        queue.takeAll().forEach(({ reject }) => reject(error));
      } finally {
        queue.isServed = false;
        this.#notifySettled();
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
    /* Otherwise all were rejected meanwhile. */
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

  #notifySettled(): void {
    const settled = this.#onSettled;
    this.#onSettled = [];
    settled.forEach((resolve) => resolve());
  }
}
