/**
 * The actions of a datapath's packets, in shared memory. A packet carries the number of its action (PacketWord.ACTION). Each
 * PMD compiles an action once, at the first packet with its number.
 *
 *   entry n   word 0: bytes of the text; then the options of the action as JSON, in UTF-8
 *
 * The owner writes an entry before it publishes the first packet with its number. The ring's head orders the two. An entry
 * never changes, since packets under way refer to it.
 */

import { CtAction, type CtActionOptions } from '../../core/action.ts';
import { shown, UsageError } from '../../core/errors.ts';
import { allocateWords, type Words } from '../../shared/access.ts';
import { ErrorCode } from '../../shared/error-codes.ts';

/** Different actions of a datapath. Equal ones count once. */
export const MAX_ACTIONS = 1024;
/** Space for the longest text: about 700 bytes, with an escaped helper name of 32 bytes and all other options. */
const ENTRY_WORDS = 256;
const ENTRY_BYTES: number = ENTRY_WORDS * 4;

function textBytes(words: Words, number: number): Uint8Array {
  const start = words.byteOffset + number * ENTRY_BYTES + 4;
  return new Uint8Array(words.buffer, start, ENTRY_BYTES - 4);
}

/** The owner's side: gives actions their numbers. The default action of the datapath is number 0. */
export class ActionTable {
  readonly words: Words = allocateWords(MAX_ACTIONS * ENTRY_WORDS);
  readonly #numbers = new WeakMap<CtAction, number>();
  readonly #byText = new Map<string, number>();
  #last: CtAction | undefined;
  #lastNumber = 0;

  /** @param first options of the default action, checked */
  constructor(first: CtActionOptions) {
    this.#add(JSON.stringify(first));
  }

  /**
   * The number of an action. A new action gets the next free number.
   * @throws UsageError if it is not a CtAction, or there are too many
   */
  numberOf(action: CtAction): number {
    if (action === this.#last) {
      return this.#lastNumber;
    }
    if (!(action instanceof CtAction)) {
      throw new UsageError(`action must be a CtAction (make it once and reuse it), not ${shown(action)}`);
    }
    let number = this.#numbers.get(action);
    if (number === undefined) {
      const text = JSON.stringify(action.options);
      number = this.#byText.get(text) ?? this.#add(text);
      this.#numbers.set(action, number);
    }
    this.#last = action;
    this.#lastNumber = number;
    return number;
  }

  #add(text: string): number {
    const number = this.#byText.size;
    if (number === MAX_ACTIONS) {
      throw new UsageError(
        `more than ${MAX_ACTIONS} different actions: reuse actions, and keep marks and labels of single packets out of them`,
        { code: ErrorCode.TOO_MANY_ACTIONS },
      );
    }
    const bytes = new TextEncoder().encode(text);
    textBytes(this.words, number).set(bytes);
    this.words[number * ENTRY_WORDS] = bytes.length;
    this.#byText.set(text, number);
    return number;
  }
}

/** A PMD's side. */
export class ActionReader {
  readonly #words: Words;
  readonly #actions: CtAction[] = [];

  constructor(words: Words) {
    this.#words = words;
    this.at(0);
  }

  /** The action with this number. Allocates at its first use in this thread. */
  at(number: number): CtAction {
    /* Lower numbers were written earlier, so they are complete. */
    while (this.#actions.length <= number) {
      this.#actions.push(this.#compile(this.#actions.length));
    }
    return this.#actions[number]!;
  }

  #compile(number: number): CtAction {
    /* TextDecoder refuses views of shared memory. */
    const text = textBytes(this.#words, number).slice(0, this.#words[number * ENTRY_WORDS]!);
    return new CtAction(JSON.parse(new TextDecoder().decode(text)) as CtActionOptions);
  }
}
