/** Checks that the system can have the memory for a table, before anything of it is allocated. */

import { ErrorCode } from '../../shared/error-codes.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { UsageError } from '../errors.ts';
import { indexLinesAtOnce } from '../table/bucket-layout.ts';
import { UNIT_WORDS } from '../table/conn.ts';
import {
  addressSpaceLeft,
  cgroupMemory,
  freeMemory,
  machineMemory,
  type MemoryLimit,
  type ReadText,
} from './machine-memory.ts';
import type { TablePlan } from './table-plan.ts';

const WORD_BYTES = 4;
/** Share of a connection in the zone lists, and in what else a table commits. */
const OTHER_BYTES = 8;
/** Below this no limit is read, so that small tables are made fast. */
const SMALL_BYTES: number = 2 ** 26;

/** What a table asks of the system, in bytes. */
export interface MemoryDemand {
  connections: number;
  /** Did the user choose the number of connections? */
  isChosen: boolean;
  /** Address space. */
  reserved: number;
  /** Memory of a table that is full of untranslated IPv4 connections. */
  full: number;
  prefaultConnections: number;
  /** Memory that the table takes at once. */
  prefault: number;
}

export function demandOf(plan: TablePlan): MemoryDemand {
  const { sizes, layout, prefaultConnections, isChosen } = plan;
  const connections = sizes.maxConnections;
  const lineBytes = LINE_WORDS * WORD_BYTES;
  /* An index that grows step by step keeps its old blocks. */
  const steps = layout.entriesAtOnce === 0 ? 2 : 1;
  const indexOf = (entries: number) => indexLinesAtOnce(entries, sizes.bucketBits) * lineBytes;
  const recordBytes = UNIT_WORDS * WORD_BYTES + OTHER_BYTES;
  return {
    connections,
    isChosen,
    reserved: plan.wordsInAll * WORD_BYTES,
    full: connections * recordBytes + Math.min(indexOf(connections) * steps, layout.lineCount * lineBytes),
    prefaultConnections,
    prefault: prefaultConnections === 0 ? 0 : prefaultConnections * recordBytes + indexOf(prefaultConnections),
  };
}

/** Why the system does not have the memory. */
export interface MemoryProblem {
  /** "a table for 1000 connections reserves 5 MiB, and the address space has 4 MiB" */
  text: string;
  /** False: the table can be made. Only when it is full, it would take more than there is. */
  isAtOnce: boolean;
}

/** @returns undefined if the system has the memory, as far as it says so */
export function memoryProblem(demand: MemoryDemand, read?: ReadText): MemoryProblem | undefined {
  const { connections, reserved, full, prefault } = demand;
  const table = `a table for ${connections} connections`;
  const addresses = addressSpaceLeft(read);
  if (exceeds(reserved, addresses)) {
    return { text: lineOf(`${table} reserves`, reserved, addresses), isAtOnce: true };
  }
  if (full < SMALL_BYTES) {
    return undefined;
  }
  const group = cgroupMemory(read);
  const now = least(group, prefault === 0 ? undefined : freeMemory(read));
  if (exceeds(prefault, now)) {
    const text = lineOf(`to commit the memory of ${demand.prefaultConnections} connections takes`, prefault, now);
    return { text, isAtOnce: true };
  }
  const ever = least(group, machineMemory(read));
  return exceeds(full, ever)
    ? { text: lineOf(`${table} takes`, full, ever, ' when it is full'), isAtOnce: false }
    : undefined;
}

/**
 * Refuses a table for which there is no memory. What it takes when it is full counts only if the user chose its size: a table of the
 * default size may stay nearly empty for ever.
 * @param advice what to do: "reduce maxConnections"
 * @throws UsageError
 */
export function requireMemory(demand: MemoryDemand, advice: string, read?: ReadText): void {
  const problem = memoryProblem(demand, read);
  if (problem !== undefined && (problem.isAtOnce || demand.isChosen)) {
    throw new UsageError(`not enough memory: ${problem.text}: ${advice}`, { code: ErrorCode.NO_MEMORY });
  }
}

function exceeds(bytes: number, limit: MemoryLimit | undefined): limit is MemoryLimit {
  return limit !== undefined && bytes > limit.bytes;
}

function least(a: MemoryLimit | undefined, b: MemoryLimit | undefined): MemoryLimit | undefined {
  return a === undefined || (b !== undefined && b.bytes < a.bytes) ? b : a;
}

function lineOf(taking: string, bytes: number, { what, bytes: has }: MemoryLimit, when = ''): string {
  return `${taking} ${mib(bytes)}${when}, and ${what} has ${mib(has)}`;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
