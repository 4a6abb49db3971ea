/** The words of an expectation, and limits. expectations.ts says which thread writes them, and when. */

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
