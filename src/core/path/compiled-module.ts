/**
 * The packet path as WebAssembly. The build puts the compiled module in the place of this file (scripts/packet-module);
 * sources that run by themselves have none, and track packets in JavaScript.
 */

import type { Words } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import type { PacketBatch } from '../packet/batch.ts';
import type { Tracker } from '../tracker.ts';

/** The thread, and the batch and action of the current call, for the functions that the module calls. */
export interface ModuleContext {
  readonly tracker: Tracker;
  batch: PacketBatch;
  action: CtAction;
}

export interface CompiledModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Tables that the module reads, to be copied into the thread's scratch memory. */
  readonly tables: readonly { name: string; bytes: Uint8Array }[];
  /** The numbers of a thread's objects that the module has as constants; of an array: the byte at which it begins. */
  readonly numbers: (tracker: Tracker) => Record<string, number>;
  /** Arrays that must begin where the memory begins. */
  readonly wholeMemory: (tracker: Tracker) => readonly Words[];
  /** The JavaScript functions that the module calls. */
  readonly calls: (context: ModuleContext) => Record<string, (...args: number[]) => number | boolean | void>;
}

export const COMPILED_MODULE: CompiledModule | undefined = undefined;
