/** The table of expectations in memory, and its limits. expectations.ts says which thread writes what, and when. */

import { LINE_WORDS } from '../../shared/memory/cache-line.ts';

/** Expectations in all. */
export const MAX_EXPECTATIONS = 65536;
/** Expectations of one control connection. Beyond it a new one replaces the oldest. */
export const MAX_EXPECTATIONS_PER_PARENT = 256;

/** Words of an entry. Keys are as in packet/key.ts. An address has four words; IPv4 uses the first. */
export const EntryWord = {
  /** META of both keys; 0: the entry is free. */
  META: 0,
  /** Ports of the expected key. The source port is 0: any port matches. */
  PORTS: 1,
  HASH: 2,
  SRC: 4,
  DST: 8,
  /** The control connection's key. */
  PARENT_PORTS: 12,
  PARENT_HASH: 13,
  PARENT_SRC: 16,
  PARENT_DST: 20,
  /** The control connection's record, and the generation of that record. */
  PARENT_RECORD: 14,
  PARENT_GENERATION: 15,
  /** The label and mark that a data connection inherits. */
  LABEL: 24,
  MARK: 28,
  /** ConnFlag.SNAT or ConnFlag.DNAT: the end of a data connection's reverse key that becomes NAT_ADDRESS. */
  NAT_KIND: 29,
  NEXT: 30,
  PARENT_NEXT: 31,
  NAT_ADDRESS: 32,
} as const;
export const ENTRY_WORDS = 48;

/** Words of the header line. */
export const ExpectationHeader = {
  MUTEX: 0,
  /** atomic: the number of entries in use. */
  COUNT: 1,
  /** The first entry of the chain of free entries (EntryWord.NEXT). */
  FREE: 2,
  /** Entries 1 to HIGHEST have been in use. */
  HIGHEST: 3,
} as const;

/** Chains of each hash table. */
export const HEADS = 16384;
export const KEY_HEADS = LINE_WORDS;
export const PARENT_HEADS: number = KEY_HEADS + HEADS;
/** Where entry 0 would be. */
export const EXPECTATION_ENTRIES: number = PARENT_HEADS + HEADS;

/** Words of the table. */
export const EXPECTATIONS_WORDS: number = EXPECTATION_ENTRIES + (MAX_EXPECTATIONS + 1) * ENTRY_WORDS;

/** Word index of the head of the chain by key, in the table at `base`. */
export function keyHeadAt(base: number, hash: number): number {
  return base + KEY_HEADS + (hash & (HEADS - 1));
}

/** Word index of the head of the chain by control connection. */
export function parentHeadAt(base: number, hash: number): number {
  return base + PARENT_HEADS + (hash & (HEADS - 1));
}

/** Word index of an entry. */
export function entryAt(base: number, number: number): number {
  return base + EXPECTATION_ENTRIES + number * ENTRY_WORDS;
}
