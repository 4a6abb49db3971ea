/**
 * Notes what the rewritten packet path (instrument.ts) does to shared memory, batch by batch. Only in the process of a count.
 *
 * An access counts if its array lies in a known region: the table, the lists of an engine, events, fragments, packets. Lines are
 * numbered over all regions. Between batches nothing is noted, so the sender does not count.
 */

import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';

export const OPERATIONS = [
  'read',
  'write',
  'peek',
  'poke',
  'load',
  'store',
  'compareExchange',
  'exchange',
  'add',
  'or',
  'wait',
  'notify',
] as const;
export type Operation = (typeof OPERATIONS)[number];

const READS = new Set<string>(['read', 'peek', 'load', 'wait']);
const WRITES = new Set<string>(['write', 'poke', 'store']);
export const LINE_BYTES: number = LINE_WORDS * 4;

export interface Region {
  name: string;
  /** Number of its first line. */
  firstLine: number;
  lines: number;
}

/** A line that a batch touched. */
export interface Touch {
  line: number;
  /** The stage that touched it first. */
  stage: number;
  /** The packet of the loop that judges (0, 1, ...) which touched it first; -1: outside that loop. */
  packet: number;
  /** Bit 2s: stage s read it; bit 2s + 1: stage s wrote it. */
  uses: number;
  /** The functions that touched it first (placeNow), if that was asked for. */
  place?: string;
}

/** Functions of a place. */
const PLACE_FUNCTIONS = 3;
/** The hooks of instrument.ts, this file, and the access seam. */
const NOT_THE_PLACE =
  /^(\$\w+|Proxy\b.*|Recorder\b.*|#note\w*|#touch|placeNow|peek|poke|load|store|exchange|compareExchange|add|or)$/;

/** The functions of the packet path that are running, the innermost first: `findHint < touchRecords`. */
function placeNow(): string {
  const stack = (new Error('the place of an access').stack ?? '').split('\n').slice(1);
  const names = stack
    .map((line) => /at (?:new |get )?([\w.$#]+)/.exec(line)?.[1] ?? '')
    .map((name) => name.replace(/^_?\w+\.(?=#)/, ''));
  const end = names.indexOf('conntrackExecute');
  const path = names.slice(0, end < 0 ? names.length : end).filter((name) => name !== '' && !NOT_THE_PLACE.test(name));
  return path.slice(0, PLACE_FUNCTIONS).join(' < ');
}

export interface Batch {
  packets: number;
  touches: Touch[];
}

/** The variable that the rewritten code reads (PRELUDE of instrument.ts). */
interface Hooks {
  note: ((operation: Operation, array: unknown, index: number) => void) | undefined;
  noteRange: ((array: unknown, method: string, given: readonly unknown[]) => void) | undefined;
  stage: number;
  packet: number;
}

interface View {
  region: Region;
  /** Byte offset in the numbering of lines. */
  firstByte: number;
  elementBytes: number;
  isTable: boolean;
}

type TypedArray = Int32Array | Uint8Array | Float64Array;

/** Operations of one stage. */
export type OperationCounts = Record<Operation, number>;

export function noOperations(): OperationCounts {
  return Object.fromEntries(OPERATIONS.map((each) => [each, 0])) as OperationCounts;
}

/** @throws Error if the process does not run a rewritten build */
function hooksOf(): Hooks {
  const hooks = (globalThis as { ctBucketCount?: Hooks }).ctBucketCount;
  if (hooks === undefined) {
    throw new Error('this build is not rewritten: run it through countsOf (bench/count/counts.ts)');
  }
  return hooks;
}

export class Recorder {
  /** By stage: operations on the table, and on packets. */
  readonly table: OperationCounts[];
  readonly packets: OperationCounts[];
  batches: Batch[] = [];
  readonly regions: Region[] = [];
  readonly #hooks: Hooks = hooksOf();
  readonly #buffers = new Map<ArrayBufferLike, { region: Region; isTable: boolean }>();
  readonly #views = new Map<unknown, View | undefined>();
  /** Arrays in shared memory that one thread uses alone. */
  readonly #own: ReadonlySet<unknown>;
  #touches = new Map<number, Touch>();

  readonly #placesFrom: number;

  /**
   * @param own arrays that are not counted: a thread's scratch memory
   * @param placesFrom note the place of lines that this stage, or a later one, touches first. Default: of none
   */
  constructor(stages: number, own: readonly unknown[], placesFrom = stages) {
    this.#own = new Set(own);
    this.#placesFrom = placesFrom;
    this.table = Array.from({ length: stages }, noOperations);
    this.packets = Array.from({ length: stages }, noOperations);
  }

  /** @param isTable false for the memory of packets */
  addRegion(name: string, buffer: ArrayBufferLike, isTable: boolean): void {
    if (this.#buffers.has(buffer)) {
      return;
    }
    const last = this.regions.at(-1);
    const firstLine = last === undefined ? 0 : last.firstLine + last.lines;
    const region = { name, firstLine, lines: Math.ceil(buffer.byteLength / LINE_BYTES) };
    this.regions.push(region);
    this.#buffers.set(buffer, { region, isTable });
    /* Arrays that were looked up before their region was known. */
    this.#views.clear();
  }

  begin(): void {
    this.#touches = new Map();
    this.#hooks.note = this.#note;
    this.#hooks.noteRange = this.#noteRange;
  }

  end(packets: number): void {
    this.#hooks.note = undefined;
    this.#hooks.noteRange = undefined;
    this.batches.push({ packets, touches: [...this.#touches.values()] });
  }

  #viewOf(array: unknown): View | undefined {
    if (this.#views.has(array)) {
      return this.#views.get(array);
    }
    const { buffer, byteOffset, BYTES_PER_ELEMENT } = array as TypedArray;
    const isCounted = ArrayBuffer.isView(array) && !this.#own.has(array);
    const found = isCounted ? this.#buffers.get(buffer) : undefined;
    const view =
      found === undefined
        ? undefined
        : { ...found, firstByte: found.region.firstLine * LINE_BYTES + byteOffset, elementBytes: BYTES_PER_ELEMENT };
    this.#views.set(array, view);
    return view;
  }

  readonly #note = (operation: Operation, array: unknown, index: number): void => {
    const view = this.#viewOf(array);
    if (view !== undefined) {
      const { stage, packet } = this.#hooks;
      const counts = (view.isTable ? this.table : this.packets)[stage]!;
      counts[operation]++;
      const isRead = !WRITES.has(operation);
      const isWrite = !READS.has(operation);
      const line = Math.floor((view.firstByte + index * view.elementBytes) / LINE_BYTES);
      this.#touch(line, stage, packet, ((isRead ? 1 : 0) | (isWrite ? 2 : 0)) << (2 * stage));
    }
  };

  #touch(line: number, stage: number, packet: number, use: number): void {
    const touch = this.#touches.get(line);
    if (touch === undefined) {
      const place = stage >= this.#placesFrom ? { place: placeNow() } : {};
      this.#touches.set(line, { line, stage, packet, uses: use, ...place });
    } else {
      touch.uses |= use;
    }
  }

  /** A method of an array that reads or writes a range: one read or write for each element. */
  readonly #noteRange = (array: unknown, method: string, given: readonly unknown[]): void => {
    if (!ArrayBuffer.isView(array)) {
      return;
    }
    const { length } = array as unknown as TypedArray;
    const each = (operation: Operation, target: unknown, from: number, to: number) => {
      for (let index = from; index < to; index++) {
        this.#note(operation, target, index);
      }
    };
    const numbers = given as number[];
    if (method === 'fill') {
      each('write', array, numbers[1] ?? 0, numbers[2] ?? length);
    } else if (method === 'slice') {
      each('read', array, numbers[0] ?? 0, numbers[1] ?? length);
    } else if (method === 'copyWithin') {
      const [to, from, end] = [numbers[0]!, numbers[1]!, numbers[2] ?? length];
      each('read', array, from, end);
      each('write', array, to, Math.min(length, to + end - from));
    } else {
      const [source, at = 0] = given as [ArrayLike<number>, number?];
      each('read', source, 0, source.length);
      each('write', array, at, at + source.length);
    }
  };
}
