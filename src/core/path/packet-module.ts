/**
 * The packet path in WebAssembly: parsing, hashing, prefetching, judging. The build compiles it from the same sources as the
 * JavaScript (docs/packet-module.md).
 *
 *   JavaScript   conntrackExecute
 *                  | parseAndHash, judgeBatch: one call each for a batch
 *   module         v
 *                a packet of a connection, or one that creates it: all of it
 *                  | a rare case: ICMP errors, helpers, waiting for a lock, events
 *   JavaScript     v
 *                the function of that case
 */

import type { CtAction } from '../action.ts';
import { USES_MODULE } from '../memory/module-memory.ts';
import { type WasmMemory, webAssembly } from '../memory/web-assembly.ts';
import type { PacketBatch } from '../packet/batch.ts';
import type { Tracker } from '../tracker.ts';
import type { BatchModule } from './batch-module.ts';
import { COMPILED_MODULE, type CompiledModule, type ModuleContext } from './compiled-module.ts';
import { StagedBatch, STAGES_BATCHES } from './staged-batch.ts';

/** What every call sets: where packets and slots begin, in bytes, and the action. */
type PerCall = [words: number, slots: number, zone: number, commit: number, timeoutPolicy: number];
type ParseAndHash = (...args: [...PerCall, count: number]) => number;
type JudgeBatch = (...args: [...PerCall, count: number, now: number]) => void;

export class PacketModule implements BatchModule {
  readonly #buffer: ArrayBufferLike;
  readonly #context: ModuleContext;
  /** Only in tests. */
  readonly #staged: StagedBatch | undefined;
  /** The current batch was copied beside the table. */
  isStaged = false;
  readonly #parseAndHash: ParseAndHash;
  readonly #judgeBatch: JudgeBatch;

  constructor(tracker: Tracker, memory: WasmMemory, compiled: CompiledModule) {
    const context = { tracker } as ModuleContext;
    const instance = new webAssembly!.Instance(moduleOf(compiled), {
      host: { memory },
      numbers: { ...compiled.numbers(tracker), ...placeTables(tracker, compiled) },
      calls: compiled.calls(context),
    });
    this.#buffer = memory.buffer;
    this.#staged = STAGES_BATCHES ? new StagedBatch(tracker.memory) : undefined;
    this.#context = context;
    this.#parseAndHash = instance.exports['parseAndHash'] as ParseAndHash;
    this.#judgeBatch = instance.exports['judgeBatch'] as JudgeBatch;
  }

  takes(batch: PacketBatch, action: CtAction, count: number): boolean {
    if (!action.isPlain) {
      return false;
    }
    if (batch.words.buffer === this.#buffer && batch.slots.buffer === this.#buffer) {
      this.isStaged = false;
      return true;
    }
    this.isStaged = this.#staged?.copyFrom(batch, count) ?? false;
    return this.isStaged;
  }

  parseAndHash(given: PacketBatch, action: CtAction, count: number): number {
    const batch = this.isStaged ? this.#staged!.batch : given;
    this.#context.batch = batch;
    this.#context.action = action;
    return this.#parseAndHash(
      batch.words.byteOffset,
      batch.slots.byteOffset,
      action.zone,
      action.commit ? 1 : 0,
      action.timeoutPolicy,
      count,
    );
  }

  judgeBatch(given: PacketBatch, action: CtAction, count: number, now: number): void {
    const batch = this.isStaged ? this.#staged!.batch : given;
    this.#context.batch = batch;
    this.#context.action = action;
    this.#judgeBatch(
      batch.words.byteOffset,
      batch.slots.byteOffset,
      action.zone,
      action.commit ? 1 : 0,
      action.timeoutPolicy,
      count,
      now,
    );
    if (this.isStaged) {
      this.#staged!.copyTo(given, count);
    }
  }
}

let compiledOnce: object | undefined;

/** Compiled once in each thread, whatever the number of its tables. */
function moduleOf({ bytes }: CompiledModule): object {
  compiledOnce ??= new webAssembly!.Module(bytes);
  return compiledOnce;
}

/** Copies the module's tables into the thread's scratch memory. @returns the byte at which each begins, by its name */
function placeTables(tracker: Tracker, { tables }: CompiledModule): Record<string, number> {
  const words = tracker.scratch.tables;
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  const places: Record<string, number> = {};
  let next = 0;
  for (const table of tables) {
    bytes.set(table.bytes, next);
    places[table.name] = words.byteOffset + next;
    next += (table.bytes.length + 3) & ~3;
  }
  return places;
}

/** The module for this thread. null: its table cannot use one, so its packets go through JavaScript */
export function packetModuleOf(tracker: Tracker): PacketModule | null {
  const { module, engine } = tracker.memory;
  const compiled = COMPILED_MODULE as CompiledModule | undefined;
  if (!USES_MODULE || compiled === undefined || module === undefined || engine !== 'ct-bucket') {
    return null;
  }
  const { buffer } = module.memory;
  const isPlaced = compiled.wholeMemory(tracker).every((each) => each.buffer === buffer && each.byteOffset === 0);
  return isPlaced ? new PacketModule(tracker, module.memory, compiled) : null;
}
