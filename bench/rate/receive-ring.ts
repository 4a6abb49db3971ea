/**
 * The receive ring of a network card, without its memory: which packets wait, by their numbers. A packet that is due while the
 * ring is full is dropped. So a thread that falls behind loses packets as it would with a real card.
 */
export class ReceiveRing {
  readonly #capacity: number;
  /** Runs of waiting packets: the first number, and how many. A circular queue. Without drops there is one run. */
  readonly #firsts: Float64Array;
  readonly #counts: Float64Array;
  #head = 0;
  #runs = 0;
  #waiting = 0;
  /** Packets that were due so far. */
  offered = 0;
  dropped = 0;
  /** The number of the first packet that `take` returned. */
  first = 0;

  /** @param capacity most packets that wait */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#firsts = new Float64Array(capacity);
    this.#counts = new Float64Array(capacity);
  }

  /** Empty, as at first. */
  reset(): void {
    this.#head = 0;
    this.#runs = 0;
    this.#waiting = 0;
    this.offered = 0;
    this.dropped = 0;
  }

  /** All packets with numbers below `due` have arrived. */
  arriveUntil(due: number): void {
    const fresh = due - this.offered;
    if (fresh <= 0) {
      return;
    }
    const accepted = Math.min(fresh, this.#capacity - this.#waiting);
    if (accepted > 0) {
      this.#append(this.offered, accepted);
      this.#waiting += accepted;
    }
    this.dropped += fresh - accepted;
    this.offered = due;
  }

  #append(first: number, count: number): void {
    const last = (this.#head + this.#runs - 1) % this.#capacity;
    const isNext = (this.#firsts[last] ?? 0) + (this.#counts[last] ?? 0) === first;
    if (this.#runs > 0 && isNext) {
      this.#counts[last]! += count;
      return;
    }
    const at = (this.#head + this.#runs) % this.#capacity;
    this.#firsts[at] = first;
    this.#counts[at] = count;
    this.#runs++;
  }

  /** Takes at most `most` packets with successive numbers, from `first` on. @returns how many; 0 if none waits */
  take(most: number): number {
    if (this.#runs === 0) {
      return 0;
    }
    const head = this.#head;
    const count = Math.min(most, this.#counts[head]!);
    this.first = this.#firsts[head]!;
    this.#firsts[head] = this.first + count;
    this.#counts[head]! -= count;
    this.#waiting -= count;
    if (this.#counts[head] === 0) {
      this.#head = (head + 1) % this.#capacity;
      this.#runs--;
    }
    return count;
  }
}
