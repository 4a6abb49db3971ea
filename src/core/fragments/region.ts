/**
 * The memory of held fragments: a shared region of its own. It is reserved at once; the system commits it as it is
 * touched.
 *
 *   line 0      MUTEX: everything below is read and written under it, except the hints
 *   line 1      hints: LISTS, DONE_HEAD, NEXT_EXPIRY are read once per batch without the mutex
 *   line 2      number of fragments held, free lists
 *   line 3      settings. atomic: written from outside, read by every thread
 *   line 4, 5   counters, 64-bit floats, FAMILY_COUNTERS for IPv4, then for IPv6
 *   heads       hash table: the first list of each chain
 *   lists       one for each datagram that is being reassembled (ListWord), number 0 unused
 *   fragments   one for each held fragment (FragmentWord), number 0 unused
 *   links       one word for each chunk: the next chunk of the same frame
 *   chunks      pieces of frames, as words from PacketWord.FRAME on
 *
 * Lists, fragments and chunks are taken from free lists, the last freed first. So a flood touches no more memory than
 * is held at one time. A COMPLETED list, with its fragments and their chunks, belongs to the thread that completed it
 * until that thread puts it into the queue of finished lists. Others may read the list without the mutex.
 */

import { allocateWords, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { PACKET_HEADER_WORDS } from '../packet/layout.ts';

/** Fragments held at most; the limit cannot be set higher (IPF_NFRAG_UBOUND of Open vSwitch). */
export const MAX_FRAGMENTS = 5000;
export const DEFAULT_MAX_FRAGMENTS = 1000;
/** The smallest value of the minimum fragment size, in bytes from the IP header on. */
export const MIN_FRAGMENT_BYTES_FLOOR = 400;
export const DEFAULT_MIN_FRAGMENT_BYTES_V4 = 1200;
/** RFC 8200, 5: every IPv6 link carries packets of this size. */
export const DEFAULT_MIN_FRAGMENT_BYTES_V6 = 1280;

/** A list expires this long after its first fragment. */
export const LIST_TIMEOUT_MS = 15_000;
/** This long after its expiry a list is not sent any more, even if it becomes complete. */
export const PURGE_AFTER_MS = 10_000;

/** 2 KiB: the frame of an ordinary link fits into one. */
export const CHUNK_WORDS = 512;
/**
 * 128 MiB of frames: the default number of fragments, all of the largest size. When it is full, fragments are not held.
 */
const CHUNKS = 65_536;
export const LIST_HEADS = 4096;

export const FragmentsWord = {
  MUTEX: 0,
  /** The number of lists, including those being sent. */
  LISTS: LINE_WORDS,
  /** The first and last finished list whose fragments wait for a batch with space; 0: none. */
  DONE_HEAD: LINE_WORDS + 1,
  DONE_TAIL: LINE_WORDS + 2,
  /** EXPIRES of the first list in the expiry queue. */
  NEXT_EXPIRY: LINE_WORDS + 3,
  /** Incomplete lists, the oldest first. */
  EXPIRY_HEAD: LINE_WORDS + 4,
  EXPIRY_TAIL: LINE_WORDS + 5,

  /** Fragments held. */
  HELD: 2 * LINE_WORDS,
  /** The head of each free list, and the first number that was never used. */
  FREE_LIST: 2 * LINE_WORDS + 1,
  FREE_FRAGMENT: 2 * LINE_WORDS + 2,
  FREE_CHUNK: 2 * LINE_WORDS + 3,
  NEXT_LIST: 2 * LINE_WORDS + 4,
  NEXT_FRAGMENT: 2 * LINE_WORDS + 5,
  NEXT_CHUNK: 2 * LINE_WORDS + 6,
  CHUNKS_IN_USE: 2 * LINE_WORDS + 7,

  V4_ENABLED: 3 * LINE_WORDS,
  V6_ENABLED: 3 * LINE_WORDS + 1,
  V4_MIN_BYTES: 3 * LINE_WORDS + 2,
  V6_MIN_BYTES: 3 * LINE_WORDS + 3,
  MAX_HELD: 3 * LINE_WORDS + 4,

  COUNTERS: 4 * LINE_WORDS,
  HEADS: 6 * LINE_WORDS,
} as const;

/** Counters of a family, in order. */
export const FragmentCounter = {
  accepted: 0,
  completedSent: 1,
  expiredSent: 2,
  tooSmall: 3,
  overlap: 4,
  purged: 5,
} as const;
export const FAMILY_COUNTERS = 6;

export const ListWord = {
  /** Next list of the hash chain; of the free list. */
  NEXT: 0,
  /**
   * Neighbours in the expiry queue. NEXT_IN_QUEUE also links the completed lists of a batch, and the finished lists.
   */
  NEXT_IN_QUEUE: 1,
  PREVIOUS_IN_QUEUE: 2,
  /** A ListState. */
  STATE: 3,
  /** Low 32 bits of the clock. */
  EXPIRES: 4,
  /** Fragments in the list. */
  COUNT: 5,
  /** Fragments that fit into the list. It grows in steps, up to a limit that depends on the minimum fragment size. */
  SIZE: 6,
  /** The fragment with the lowest offset. */
  FIRST: 7,
  HASH: 8,
  /** Zone and protocol as META of a key (packet/key.ts); IPv6: protocol 0. */
  META: 9,
  /** Identification, network order. */
  ID: 10,
  /** The NUMBER of the packet that completed the list. */
  COMPLETED_BY: 11,
  /**
   * The owner of a COMPLETED list: participant + 1; negative after the datagram was judged; 0 in the queue of finished
   * lists. The repair after the owner's death reads it.
   */
  OWNER: 12,
  /** Four words each, IPv4 uses the first. */
  SRC: 16,
  DST: 20,
} as const;
export const LIST_WORDS = 32;

export const ListState = { OTHER_SEEN: 0, FIRST_SEEN: 1, LAST_SEEN: 2, BOTH_SEEN: 3, COMPLETED: 4, FAILED: 5 } as const;

export const FragmentWord = {
  /** Next fragment of the list, by offset; of the free list. */
  NEXT: 0,
  /** The first and last byte of the datagram's payload in this fragment: 16 bits, as Open vSwitch counts them. */
  START: 1,
  END: 2,
  /** Word offsets of the network and transport header in the packet (PacketWord.FRAME is that of the frame). */
  L3: 3,
  L4: 4,
  /** Bytes from the transport header on, without padding. */
  L4_BYTES: 5,
  FIRST_CHUNK: 6,
  /** The batch that brought the fragment, by participant and serial number, and its slot in that batch. */
  ORIGIN_OWNER: 8,
  ORIGIN_BATCH: 9,
  ORIGIN_SLOT: 10,
  /** IPv6: word offset of the fragment header. */
  FRAGMENT_HEADER: 11,
  /** The packet's words before the frame (packet/layout.ts). */
  HEADER: 12,
} as const;
export const FRAGMENT_WORDS: number = 3 * LINE_WORDS;

const LISTS_AT: number = FragmentsWord.HEADS + LIST_HEADS;
const FRAGMENTS_AT: number = LISTS_AT + (MAX_FRAGMENTS + 1) * LIST_WORDS;
const LINKS_AT: number = FRAGMENTS_AT + (MAX_FRAGMENTS + 1) * FRAGMENT_WORDS;
const CHUNKS_AT: number = Math.ceil((LINKS_AT + CHUNKS + 1) / CHUNK_WORDS) * CHUNK_WORDS;
/** Words of the region. */
export const FRAGMENTS_WORDS: number = CHUNKS_AT + (CHUNKS + 1) * CHUNK_WORDS;

if (FragmentWord.HEADER + PACKET_HEADER_WORDS > FRAGMENT_WORDS) {
  throw new Error('a packet header does not fit a fragment record');
}

/** Word index of the head of the hash chain for this hash. */
export function headOf(hash: number): number {
  return FragmentsWord.HEADS + (hash & (LIST_HEADS - 1));
}

/** Word index of a list. */
export function listAt(list: number): number {
  return LISTS_AT + list * LIST_WORDS;
}

/** Word index of a fragment. */
export function fragmentAt(fragment: number): number {
  return FRAGMENTS_AT + fragment * FRAGMENT_WORDS;
}

/** Word index of the link to the chunk after this one. */
export function linkAt(chunk: number): number {
  return LINKS_AT + chunk;
}

/** Word index of a chunk. */
export function chunkAt(chunk: number): number {
  return CHUNKS_AT + chunk * CHUNK_WORDS;
}

/** The highest number of a chunk. */
export const LAST_CHUNK: number = CHUNKS;

/** Reserves the region, with settings at their defaults. */
export function allocateFragments(): Words {
  const words = allocateWords(FRAGMENTS_WORDS);
  words[FragmentsWord.NEXT_LIST] = 1;
  words[FragmentsWord.NEXT_FRAGMENT] = 1;
  words[FragmentsWord.NEXT_CHUNK] = 1;
  words[FragmentsWord.V4_ENABLED] = 1;
  words[FragmentsWord.V6_ENABLED] = 1;
  words[FragmentsWord.V4_MIN_BYTES] = DEFAULT_MIN_FRAGMENT_BYTES_V4;
  words[FragmentsWord.V6_MIN_BYTES] = DEFAULT_MIN_FRAGMENT_BYTES_V6;
  words[FragmentsWord.MAX_HELD] = DEFAULT_MAX_FRAGMENTS;
  return words;
}
