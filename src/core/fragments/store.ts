/**
 * One thread's view of the held fragments, and the allocation of their memory: lists, fragment records, and chunks that
 * hold the frames. All functions need the region's mutex unless they say otherwise.
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import { allocateWords, type Words } from '../../shared/access.ts';
import { assertHeld } from '../../shared/sync/mutex.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { HashKeys } from '../path/key-hash.ts';
import { MAX_RETURNED } from '../packet/batch.ts';
import { PACKET_HEADER_WORDS, PacketWord, packetWords } from '../packet/layout.ts';
import {
  CHUNK_WORDS,
  chunkAt,
  FAMILY_COUNTERS,
  fragmentAt,
  FragmentsWord,
  FragmentWord,
  LAST_CHUNK,
  linkAt,
  listAt,
  ListWord,
} from './region.ts';

/** The largest whole packet: the largest IP packet behind its link header (reassemble.ts). */
const WHOLE_BYTES = 65_535;

interface FragmentStoreParts {
  words: Words;
  participant: Participant;
  keys: HashKeys;
  parsed: Int32Array;
}

/** A thread's part in reassembly: the shared region, and scratch memory. */
export class FragmentStore {
  readonly words: Words;
  /** FAMILY_COUNTERS for IPv4, then for IPv6. */
  readonly counters: Float64Array;
  /** The whole packet that is being judged, as a packet at word 0. */
  readonly whole: Words = allocateWords(packetWords(WHOLE_BYTES) + 1);
  /** The lists that this thread's current batch has completed, in order, linked by NEXT_IN_QUEUE. */
  completedHead = 0;
  completedTail = 0;
  /** Packets that a batch may hold after the call. */
  returnLimit: number = MAX_RETURNED;
  /** The slots of a batch of more than MAX_BATCH packets, and of the packets that came back from its parts. */
  readonly inputs: Int32Array = new Int32Array(MAX_RETURNED);
  readonly returned: Int32Array = new Int32Array(MAX_RETURNED);

  /** The calling thread's own. */
  readonly participant: Participant;
  readonly keys: HashKeys;
  /** Parse results of the thread's batch (packet/batch-scratch.ts). */
  readonly parsed: Int32Array;

  constructor({ words, participant, keys, parsed }: FragmentStoreParts) {
    this.words = words;
    this.participant = participant;
    this.keys = keys;
    this.parsed = parsed;
    this.counters = new Float64Array(words.buffer, FragmentsWord.COUNTERS * 4, 2 * FAMILY_COUNTERS);
  }
}

/** Words of a frame of this many bytes. */
export function frameWords(length: number): number {
  return packetWords(length) - PACKET_HEADER_WORDS;
}

/**
 * Takes a list. There are as many lists as fragments, so a fragment that was kept always gets one. @returns its number
 */
export function takeListLocked(words: Words): number {
  assertHeld(words, FragmentsWord.MUTEX);
  let list = words[FragmentsWord.FREE_LIST]!;
  if (list !== 0) {
    words[FragmentsWord.FREE_LIST] = words[listAt(list) + ListWord.NEXT]!;
  } else {
    list = words[FragmentsWord.NEXT_LIST]!;
    words[FragmentsWord.NEXT_LIST] = list + 1;
  }
  words[FragmentsWord.LISTS]!++;
  return list;
}

export function freeListLocked(words: Words, list: number): void {
  assertHeld(words, FragmentsWord.MUTEX);
  words[listAt(list) + ListWord.NEXT] = words[FragmentsWord.FREE_LIST]!;
  words[FragmentsWord.FREE_LIST] = list;
  words[FragmentsWord.LISTS]!--;
}

/**
 * Copies a packet into the region.
 * @returns the number of its fragment record; 0: no memory
 */
export function keepPacketLocked(words: Words, packet: Words, slot: number): number {
  assertHeld(words, FragmentsWord.MUTEX);
  const total = frameWords(packet[slot + PacketWord.LENGTH]!);
  const chunks = Math.ceil(total / CHUNK_WORDS);
  if (words[FragmentsWord.CHUNKS_IN_USE]! + chunks > LAST_CHUNK) {
    return 0;
  }
  let fragment = words[FragmentsWord.FREE_FRAGMENT]!;
  if (fragment !== 0) {
    words[FragmentsWord.FREE_FRAGMENT] = words[fragmentAt(fragment) + FragmentWord.NEXT]!;
  } else {
    fragment = words[FragmentsWord.NEXT_FRAGMENT]!;
    words[FragmentsWord.NEXT_FRAGMENT] = fragment + 1;
  }
  const f = fragmentAt(fragment);
  copyWords(packet, slot, words, f + FragmentWord.HEADER, PACKET_HEADER_WORDS);
  let link = f + FragmentWord.FIRST_CHUNK;
  for (let from = 0; from < total; from += CHUNK_WORDS) {
    const chunk = takeChunkLocked(words);
    words[link] = chunk;
    link = linkAt(chunk);
    copyWords(packet, slot + PacketWord.FRAME + from, words, chunkAt(chunk), Math.min(CHUNK_WORDS, total - from));
  }
  words[link] = 0;
  words[FragmentsWord.CHUNKS_IN_USE]! += chunks;
  words[FragmentsWord.HELD]!++;
  return fragment;
}

function takeChunkLocked(words: Words): number {
  const chunk = words[FragmentsWord.FREE_CHUNK]!;
  if (chunk !== 0) {
    words[FragmentsWord.FREE_CHUNK] = words[linkAt(chunk)]!;
    return chunk;
  }
  const fresh = words[FragmentsWord.NEXT_CHUNK]!;
  words[FragmentsWord.NEXT_CHUNK] = fresh + 1;
  return fresh;
}

/** Releases a fragment's record and its chunks. */
export function dropFragmentLocked(words: Words, fragment: number): void {
  assertHeld(words, FragmentsWord.MUTEX);
  const f = fragmentAt(fragment);
  for (let chunk = words[f + FragmentWord.FIRST_CHUNK]!; chunk !== 0; ) {
    const next = words[linkAt(chunk)]!;
    words[linkAt(chunk)] = words[FragmentsWord.FREE_CHUNK]!;
    words[FragmentsWord.FREE_CHUNK] = chunk;
    words[FragmentsWord.CHUNKS_IN_USE]!--;
    chunk = next;
  }
  words[f + FragmentWord.NEXT] = words[FragmentsWord.FREE_FRAGMENT]!;
  words[FragmentsWord.FREE_FRAGMENT] = fragment;
  words[FragmentsWord.HELD]!--;
}

/** Words of a fragment's packet in a batch. */
export function keptPacketWords(words: Words, fragment: number): number {
  return packetWords(words[fragmentAt(fragment) + FragmentWord.HEADER + PacketWord.LENGTH]!);
}

/**
 * Copies a held packet to `slot`: metadata and frame. SLOT_SIZE of the slot stays. The owner of a list needs no mutex.
 */
export function copyPacketOut(words: Words, fragment: number, packet: Words, slot: number): void {
  const f = fragmentAt(fragment);
  const header = f + FragmentWord.HEADER;
  copyWords(
    words,
    header + PacketWord.LENGTH,
    packet,
    slot + PacketWord.LENGTH,
    PACKET_HEADER_WORDS - PacketWord.LENGTH,
  );
  copyFrame(words, fragment, 0, frameWords(words[header + PacketWord.LENGTH]!), packet, slot + PacketWord.FRAME);
}

/** Copies `count` words of a held frame, from its word `from` on. */
export function copyFrame(words: Words, fragment: number, from: number, count: number, to: Words, at: number): void {
  let chunk = words[fragmentAt(fragment) + FragmentWord.FIRST_CHUNK]!;
  for (let skipped = from; skipped >= CHUNK_WORDS; skipped -= CHUNK_WORDS) {
    chunk = words[linkAt(chunk)]!;
  }
  let word = from % CHUNK_WORDS;
  while (count > 0) {
    const part = Math.min(count, CHUNK_WORDS - word);
    copyWords(words, chunkAt(chunk) + word, to, at, part);
    at += part;
    count -= part;
    word = 0;
    chunk = words[linkAt(chunk)]!;
  }
}

/** Word index of word `word` of a held frame. */
export function frameWordAt(words: Words, fragment: number, word: number): number {
  let chunk = words[fragmentAt(fragment) + FragmentWord.FIRST_CHUNK]!;
  for (let skipped = word; skipped >= CHUNK_WORDS; skipped -= CHUNK_WORDS) {
    chunk = words[linkAt(chunk)]!;
  }
  return chunkAt(chunk) + (word % CHUNK_WORDS);
}
