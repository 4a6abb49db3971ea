/** A packet's verdict, as listeners of a datapath see it. */

import { formatLabel } from '../../core/action.ts';
import { UsageError } from '../../core/errors.ts';
import { CtState, frameByteOffset, PacketWord } from '../../core/packet/layout.ts';
import {
  type InvalidReason,
  invalidReason,
  reasonOf,
  type RefusedReason,
  refusedReason,
  VerdictReason,
} from '../../core/packet/reason.ts';
import { type StateName, stateNames, stateText } from '../../core/inspect/state-names.ts';
import { type OriginalTuple, originalTuple } from '../../core/inspect/tuple.ts';
import type { Words } from '../../shared/access.ts';
import { ErrorCode } from '../../shared/error-codes.ts';

/** The verdict on a packet. */
export interface PacketVerdict<Tag = unknown> {
  /** The tag that the packet was pushed with. */
  readonly tag: Tag | undefined;
  /** Number of the PMD that tracked the packet. */
  readonly worker: number;
  /** Time of the packet, in ms, as it was pushed. */
  readonly timeMs: number;
  /** CtState flags; 0: no verdict (`isHeld`, `isLost`). */
  readonly state: number;
  /** The flags as names, in the order new est rel rpl inv trk snat dnat. Frozen: all verdicts of a state share the array. */
  readonly states: readonly StateName[];
  /** The flags as text: `est|rpl|trk`; `0` without a verdict. */
  readonly stateText: string;
  readonly zone: number;
  readonly mark: number;
  /** 32 hexadecimal digits. */
  readonly label: string;
  /** The tuple of the connection's first packet; undefined if the packet has no key. */
  readonly tuple: OriginalTuple | undefined;
  /** The frame, translated if the action says so. Do not send the frame of a held or lost packet on. */
  readonly frame: Uint8Array;
  /** Why the packet opened no connection although its action commits. The packet is `new|trk` then, and not translated. */
  readonly refused: RefusedReason | undefined;
  /** Why the packet is `inv`. */
  readonly invalid: InvalidReason | undefined;
  /** The packet is a fragment, and waits for the rest of its datagram. Then it comes back once more, as `deferred`. */
  readonly isHeld: boolean;
  /** The worker of the packet has died. There is no verdict. Do not push the packet again: its connection may have seen it. */
  readonly isLost: boolean;
  /** The packet was held before. This is the verdict on the whole datagram. */
  readonly isDeferred: boolean;
  /** Of a deferred packet: the tag of the packet that completed its datagram. */
  readonly releasedBy: Tag | undefined;
}

/** The parts of Tags that a view needs. */
interface TagNames<Tag> {
  at(number: number): Tag | undefined;
}

const STATES = Array.from({ length: 256 }, (_, state) => Object.freeze(stateNames(state)));
const NOWHERE = -1;

/**
 * A verdict, read from the ring where the PMD has written it. One object serves all packets. It is valid while the listener runs,
 * and throws afterwards. `copy()` returns a lasting one.
 */
export class VerdictView<Tag = unknown> implements PacketVerdict<Tag> {
  readonly #tags: TagNames<Tag>;
  #words: Words = new Int32Array(new SharedArrayBuffer(0));
  #slot = NOWHERE;
  #worker = 0;
  #isDeferred = false;

  /** @internal */
  constructor(tags: TagNames<Tag>) {
    this.#tags = tags;
  }

  /** @internal */
  point(words: Words, slot: number, worker: number, isDeferred: boolean): void {
    this.#words = words;
    this.#slot = slot;
    this.#worker = worker;
    this.#isDeferred = isDeferred;
  }

  /** @internal */
  end(): void {
    this.#slot = NOWHERE;
  }

  get #at(): number {
    if (this.#slot === NOWHERE) {
      throw new UsageError('this verdict is over: it is valid while its listener runs. Keep verdict.copy() instead', {
        code: ErrorCode.CLOSED,
      });
    }
    return this.#slot;
  }

  get tag(): Tag | undefined {
    return this.#tags.at(this.#words[this.#at + PacketWord.NUMBER]!);
  }

  get worker(): number {
    void this.#at;
    return this.#worker;
  }

  get timeMs(): number {
    return new Float64Array(this.#words.buffer, this.#words.byteOffset + (this.#at + PacketWord.NOW) * 4, 1)[0]!;
  }

  get state(): number {
    return this.#words[this.#at + PacketWord.STATE]!;
  }

  get states(): readonly StateName[] {
    return STATES[this.state & 0xff]!;
  }

  get stateText(): string {
    return stateText(this.state);
  }

  get zone(): number {
    return this.#words[this.#at + PacketWord.ZONE]!;
  }

  get mark(): number {
    return this.#words[this.#at + PacketWord.MARK]! >>> 0;
  }

  get label(): string {
    return formatLabel(this.#words, this.#at + PacketWord.LABEL);
  }

  get tuple(): OriginalTuple | undefined {
    return this.state === 0 ? undefined : (originalTuple(this.#words, this.#at) ?? undefined);
  }

  /** A view of ring memory. After the listener has returned, another packet may lie there. */
  get frame(): Uint8Array {
    const start = this.#words.byteOffset + frameByteOffset(this.#at);
    return new Uint8Array(this.#words.buffer, start, this.#words[this.#at + PacketWord.LENGTH]!);
  }

  get refused(): RefusedReason | undefined {
    return refusedReason(this.#words, this.#at);
  }

  get invalid(): InvalidReason | undefined {
    return (this.state & CtState.INV) === 0 ? undefined : invalidReason(this.#words, this.#at);
  }

  get isHeld(): boolean {
    return this.state === 0 && !this.isLost;
  }

  get isLost(): boolean {
    return reasonOf(this.#words, this.#at) === VerdictReason.LOST;
  }

  get isDeferred(): boolean {
    void this.#at;
    return this.#isDeferred;
  }

  get releasedBy(): Tag | undefined {
    return this.isDeferred ? this.#tags.at(this.#words[this.#at + PacketWord.RELEASED_BY]!) : undefined;
  }

  /** A lasting copy of all properties. */
  copy(): PacketVerdict<Tag> {
    return {
      tag: this.tag,
      worker: this.worker,
      timeMs: this.timeMs,
      state: this.state,
      states: this.states,
      stateText: this.stateText,
      zone: this.zone,
      mark: this.mark,
      label: this.label,
      tuple: this.tuple,
      frame: this.frame.slice(),
      refused: this.refused,
      invalid: this.invalid,
      isHeld: this.isHeld,
      isLost: this.isLost,
      isDeferred: this.isDeferred,
      releasedBy: this.releasedBy,
    };
  }
}
