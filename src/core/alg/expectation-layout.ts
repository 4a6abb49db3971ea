/** Words of an expectation, and how many there may be. Who writes them, and when: expectations.ts. */

/** Expectations in all. */
export const MAX_EXPECTATIONS = 65536;
/** Expectations of one control connection; the oldest makes room for a new one. */
export const MAX_EXPECTATIONS_PER_PARENT = 256;

/** Words of an entry; keys as in packet/key.ts, IPv4 addresses in the first of four words. */
export const EntryWord = {
  /** META of both keys; 0: the entry is free. */
  META: 0,
  /** Ports of the expected key: its source port is 0, any will do. */
  PORTS: 1,
  HASH: 2,
  SRC: 4,
  DST: 8,
  /** The control connection's key. */
  PARENT_PORTS: 12,
  PARENT_HASH: 13,
  PARENT_SRC: 16,
  PARENT_DST: 20,
  /** Its record, and which of the connections that had it. */
  PARENT_RECORD: 14,
  PARENT_GENERATION: 15,
  /** What a data connection inherits. */
  LABEL: 24,
  MARK: 28,
  /** ConnFlag.SNAT or ConnFlag.DNAT: which end of a data connection's reverse key becomes NAT_ADDRESS. */
  NAT_KIND: 29,
  NEXT: 30,
  PARENT_NEXT: 31,
  NAT_ADDRESS: 32,
} as const;
export const ENTRY_WORDS = 48;
