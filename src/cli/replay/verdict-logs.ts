/** The verdicts of a replay by packet number, and those of held fragments. */

import { stateText } from '../../core/inspect/state-names.ts';

/** Lines written to standard output at once. */
const LINES_PER_WRITE = 10_000;

/** Verdicts by packet number. They are printed in this order, as soon as all earlier ones are there. */
export class VerdictLog {
  #states = new Uint8Array(1 << 16);
  #isKnown = new Uint8Array(1 << 16);
  #printed = 0;
  readonly #prints: boolean;
  readonly counts = new Map<string, number>();

  constructor(prints: boolean) {
    this.#prints = prints;
  }

  /** @param number of the packet, 1 for the first */
  add(number: number, state: number): void {
    const text = stateText(state);
    this.counts.set(text, (this.counts.get(text) ?? 0) + 1);
    if (!this.#prints) {
      return;
    }
    const index = number - 1;
    if (index >= this.#states.length) {
      this.#states = grown(this.#states, index);
      this.#isKnown = grown(this.#isKnown, index);
    }
    this.#states[index] = state;
    this.#isKnown[index] = 1;
    if (index - this.#printed >= LINES_PER_WRITE) {
      this.flush();
    }
  }

  /** Prints all verdicts up to the first missing one. */
  flush(): void {
    const lines: string[] = [];
    while (this.#isKnown[this.#printed] === 1) {
      lines.push(stateText(this.#states[this.#printed++]!));
    }
    if (lines.length > 0) {
      process.stdout.write(`${lines.join('\n')}\n`);
    }
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>, index: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(bytes.length * 2, index + 1));
  larger.set(bytes);
  return larger;
}

/** Verdicts of held fragments, for the file of --late. */
export class DeferredLog {
  readonly #entries: { number: number; releasedBy: number; state: number }[] = [];

  add(number: number, releasedBy: number, state: number): void {
    this.#entries.push({ number, releasedBy, state });
  }

  /** Lines in the order in which the fragments came back. The number of threads does not change it. */
  text(): string {
    return this.#entries
      .toSorted((a, b) => a.releasedBy - b.releasedBy || a.number - b.number)
      .map(({ number, releasedBy, state }) => `${number}\t${releasedBy}\t${stateText(state)}\n`)
      .join('');
  }
}
