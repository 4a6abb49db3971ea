/** A table on which a sequence runs. The packets lie between guard words, among bytes of any value. */

import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import { clearPacket, PacketBatch, writePacket } from '../../src/core/packet/batch.ts';
import { CtState, frameByteOffset, PacketWord, packetWords } from '../../src/core/packet/layout.ts';
import { allocateWords, type Words } from '../../src/shared/access.ts';
import type { Sequence, Step } from './sequence.ts';
import { Finding } from './target.ts';

const GUARD_WORDS = 8;
const SPARE_WORDS = 1 << 17;
/** The largest frames and guards of a batch. */
const OWN_WORDS = 1 << 20;

/** The value of the bytes around packets; 'any': different values. */
export type Around = 0 | 0xff | 'any';

export interface SubjectOptions {
  oneByOne: boolean;
  engine: EngineName;
  /** Check that frames come back unchanged if no action translates. */
  checksFrames?: boolean;
  /** The packets go through JavaScript, even where the packet module judges those of other subjects. */
  inJavaScript?: boolean;
}

/** The length of its frame decides whether a packet has no, little or enough room to grow; this is one step of that room. */
const ROOM_STEP_BYTES = 8;

/** A sweep pauses when it has read the clock a few times. */
const CLOCK_STEP_MS = 0.3;

const KNOWN_STATES = 0xff;
/** Both flags together are impossible after one pass; a further pass adds to the flags of the packet. */
const NEW_AND_EST = CtState.NEW | CtState.EST;

/** The memory of packets. All sequences share one, because making it takes long. */
export class Surroundings {
  readonly words: Words;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly batch: PacketBatch;
  readonly #around: Around;
  #noise = 1;

  constructor(around: Around) {
    this.#around = around;
    this.words = allocateWords(OWN_WORDS + SPARE_WORDS);
    this.bytes = new Uint8Array(this.words.buffer);
    this.batch = new PacketBatch(this.words, { start: OWN_WORDS, end: OWN_WORDS + SPARE_WORDS });
  }

  fill(from: number, to: number): void {
    if (this.#around !== 'any') {
      this.bytes.fill(this.#around, from, to);
      return;
    }
    for (let at = from; at < to; at++) {
      this.#noise = (Math.imul(this.#noise, 1_664_525) + 1_013_904_223) | 0;
      this.bytes[at] = this.#noise >>> 24;
    }
  }
}

/**
 * Runs work while `performance.now()` moves on by a fixed time with each call. A sweep pauses after a millisecond of that clock, and a
 * pause begins another epoch, which decides when records are used again. So sweeps of two equal tables pause at the same entries.
 */
function withSteppingClock<T>(work: () => T): T {
  let nowMs = 0;
  Object.defineProperty(performance, 'now', { configurable: true, value: () => (nowMs += CLOCK_STEP_MS) });
  try {
    return work();
  } finally {
    Reflect.deleteProperty(performance, 'now');
  }
}

/** Runs a sequence on a new table, and keeps the result of each packet. */
export class Subject {
  readonly ct: Conntrack;
  /** By packet and pass: CtState flags, or -1 if the packet did not come back. */
  readonly states: Int32Array;
  /** By packet and pass: a hash of the packet as it came back. */
  readonly hashes: Int32Array;
  /** Results of the other operations. */
  readonly answers: number[] = [];
  /** Packets that came back with another length, because the tracker replaced an address in them. */
  resized = 0;
  readonly #options: SubjectOptions;
  readonly #sequence: Sequence;
  readonly #actions: CtAction[];
  readonly #memory: Surroundings;
  /** Positions of the guards; #guardWords has a copy of their words. */
  readonly #guards: number[] = [];
  readonly #guardWords = new Int32Array(33 * GUARD_WORDS);
  readonly #checksFrames: boolean;
  readonly #translates: boolean;
  readonly #isSinglePass: boolean;
  readonly #own = new Int32Array(32);
  #sent = 0;
  nowMs = 0;

  constructor(sequence: Sequence, options: SubjectOptions, memory: Surroundings) {
    this.#options = options;
    this.#sequence = sequence;
    this.#memory = memory;
    this.#actions = sequence.actions.map((action) => new CtAction(action));
    this.#checksFrames = options.checksFrames === true;
    this.#translates = this.#actions.some(({ nat }) => nat !== null);
    this.#isSinglePass = sequence.steps.every((step) => step.op !== 'batch' || step.actions.length === 1);
    const packets = sequence.steps.reduce((sum, step) => sum + (step.op === 'batch' ? step.packets.length : 0), 0);
    this.states = new Int32Array(packets * 2).fill(-1);
    this.hashes = new Int32Array(packets * 2);
    const isBucket = options.engine === 'ct-bucket';
    this.ct = new Conntrack({
      ...sequence.options,
      ...(isBucket ? {} : { buckets: 1, reclaim: 'sweep' }),
      engine: options.engine,
      hashSeed: [1, 2],
      maxParticipants: 1,
      eventCapacity: 64,
    });
    if (options.inJavaScript === true) {
      this.ct.tracker.packetModule = null;
    }
    if (!sequence.reassembles) {
      this.ct.fragments.setEnabled('v4', false);
      this.ct.fragments.setEnabled('v6', false);
    }
  }

  /**
   * @param options.shiftMs added to all times, to run a sequence again
   * @param options.afterStep called after each step
   */
  run({ shiftMs = 0, afterStep }: { shiftMs?: number; afterStep?: () => void } = {}): void {
    this.#sent = 0;
    for (const step of this.#sequence.steps) {
      this.#step(shiftMs !== 0 && 'nowMs' in step ? { ...step, nowMs: step.nowMs + shiftMs } : step);
      afterStep?.();
    }
  }

  #step(step: Step): void {
    const { ct } = this;
    switch (step.op) {
      case 'batch':
        return this.#batchStep(step);
      case 'sweep':
        this.nowMs = step.nowMs;
        this.answers.push(withSteppingClock(() => ct.sweep(step.nowMs)));
        return;
      case 'flush':
        this.answers.push(ct.flush(step.zone === undefined ? {} : { zone: step.zone }));
        return;
      case 'maxConnections':
        ct.maxConnections = step.limit;
        return;
      case 'zoneLimit':
        return ct.setZoneLimit(step.zone, step.limit);
      case 'timeouts':
        return ct.setTimeoutPolicy(step.id, { [step.name]: step.seconds });
      case 'zonePolicy':
        if (ct.timeoutPolicy(step.id) === undefined) {
          ct.setTimeoutPolicy(step.id, {});
        }
        return ct.setZoneTimeoutPolicy(step.zone, step.id);
      case 'seqChk':
        ct.tcpSeqChk = step.isOn;
        return;
      default:
        ct.fragments.setEnabled('v4', step.isOn);
        ct.fragments.setEnabled('v6', step.isOn);
        ct.fragments.setMaxFrags(step.maxFrags);
    }
  }

  /** Writes the packets into memory, fills the bytes around them, and copies the guards. */
  #layOut({ packets }: Step & { op: 'batch' }, slots: Int32Array): void {
    const { words, bytes } = this.#memory;
    let at = 0;
    this.#guards.length = 0;
    for (const [index, { frame, checksums }] of packets.entries()) {
      this.#guard(at);
      const slot = at + GUARD_WORDS;
      const roomBytes = frame.length + (frame.length & 7) * ROOM_STEP_BYTES;
      at = slot + ((packetWords(roomBytes) + 1) & ~1);
      const end = frameByteOffset(slot) + frame.length;
      this.#memory.fill(end, at * 4);
      this.#memory.fill(frameByteOffset(slot) - 2, frameByteOffset(slot));
      writePacket(words, bytes, slot, frame, { checksums, number: this.#sent + index + 1 });
      words[slot + PacketWord.ROOM] = roomBytes;
      slots[index] = slot;
      this.#own[index] = slot;
    }
    this.#guard(at);
  }

  #guard(at: number): void {
    const { words } = this.#memory;
    this.#memory.fill(at * 4, (at + GUARD_WORDS) * 4);
    const copy = this.#guards.length * GUARD_WORDS;
    for (let i = 0; i < GUARD_WORDS; i++) {
      this.#guardWords[copy + i] = words[at + i]!;
    }
    this.#guards.push(at);
  }

  #checkGuards(): void {
    const { words } = this.#memory;
    for (const [index, at] of this.#guards.entries()) {
      for (let i = 0; i < GUARD_WORDS; i++) {
        if (words[at + i] !== this.#guardWords[index * GUARD_WORDS + i]) {
          throw new Finding(`the word ${i} of the guard before packet ${index} of a batch was overwritten`);
        }
      }
    }
  }

  #checkFrames({ packets }: Step & { op: 'batch' }): void {
    const { words, bytes } = this.#memory;
    for (const [index, { frame }] of packets.entries()) {
      const slot = this.#own[index]!;
      const start = frameByteOffset(slot);
      let i = 0;
      while (!this.#translates && i < frame.length && bytes[start + i] === frame[i]) {
        i++;
      }
      if (this.#translates) {
        this.resized += words[slot + PacketWord.LENGTH] === frame.length ? 0 : 1;
      } else if (i < frame.length || words[slot + PacketWord.LENGTH] !== frame.length) {
        throw new Finding(`packet ${this.#sent + index + 1} came back changed at byte ${i}, without any translation`);
      }
    }
  }

  #batchStep(step: Step & { op: 'batch' }): void {
    const { batch } = this.#memory;
    const { slots } = batch;
    const count = step.packets.length;
    this.nowMs = step.nowMs;
    this.#layOut(step, slots);
    if (this.#options.oneByOne) {
      const own = slots.slice(0, count);
      for (const slot of own) {
        slots[0] = slot;
        batch.count = 1;
        this.#execute(step.actions[0]!, 0, step.nowMs);
        batch.resetSpare();
      }
    } else {
      batch.count = count;
      step.actions.forEach((action, pass) => {
        if (pass > 0 && step.clears) {
          for (let i = 0; i < batch.count; i++) {
            clearPacket(this.#memory.words, slots[i]!);
          }
        }
        this.#execute(action, Math.min(pass, 1), step.nowMs);
      });
      batch.resetSpare();
    }
    this.#checkGuards();
    if (this.#checksFrames) {
      this.#checkFrames(step);
    }
    this.#sent += count;
  }

  #execute(action: number, pass: number, nowMs: number): void {
    const { batch, words } = this.#memory;
    this.ct.execute(batch, this.#actions[action]!, nowMs);
    for (let i = 0; i < batch.count; i++) {
      const slot = batch.slots[i]!;
      const number = words[slot + PacketWord.NUMBER]! - 1;
      const index = number * 2 + pass;
      const state = words[slot + PacketWord.STATE]!;
      if (index < 0 || index >= this.states.length) {
        throw new Finding(`a packet came back whose number is ${number + 1}, which none has`);
      }
      this.states[index] = state;
      this.hashes[index] = this.#hashOf(slot);
      if (
        (state & CtState.TRK) === 0 ||
        (state & ~KNOWN_STATES) !== 0 ||
        (this.#isSinglePass && (state & NEW_AND_EST) === NEW_AND_EST)
      ) {
        throw new Finding(`packet ${number + 1} came back with the impossible state 0x${state.toString(16)}`);
      }
    }
  }

  /** A hash of verdict, original tuple, checksum bits and frame. */
  #hashOf(slot: number): number {
    const { words, bytes } = this.#memory;
    let hash = 0x811c9dc5 | 0;
    for (let at = slot + PacketWord.CHECKSUMS; at < slot + PacketWord.CONN; at++) {
      hash = Math.imul(hash ^ words[at]!, 0x01000193);
    }
    for (let at = slot + PacketWord.ORIG_PROTOCOL; at < slot + PacketWord.NOW; at++) {
      hash = Math.imul(hash ^ words[at]!, 0x01000193);
    }
    const length = words[slot + PacketWord.LENGTH]!;
    const first = slot + PacketWord.FRAME;
    if (length < 2) {
      return Math.imul(hash ^ (length === 0 ? 0 : bytes[frameByteOffset(slot)]!), 0x01000193) ^ length;
    }
    hash = Math.imul(hash ^ (words[first]! >>> 16) ^ (length << 16), 0x01000193);
    const whole = first + ((2 + length) >> 2);
    for (let at = first + 1; at < whole; at++) {
      hash = Math.imul(hash ^ words[at]!, 0x01000193);
      hash = (hash << 13) | (hash >>> 19);
    }
    for (let at = Math.max(whole * 4, first * 4 + 4); at < frameByteOffset(slot) + length; at++) {
      hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    }
    return hash;
  }

  /** The remaining connections, as text. */
  dump(): string[] {
    return [...this.ct.dump({ nowMs: this.nowMs })]
      .flat()
      .map((entry) => JSON.stringify(entry))
      .toSorted();
  }
}
