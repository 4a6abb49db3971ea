/**
 * Events in shared memory: what happened to connections, in a ring per participant. events.ts writes, event-reader.ts
 * reads. The region (memory.events) is reserved at once and committed as it is touched:
 *
 *   line 0      SEQUENCE   number of the next event. atomic: every producer counts it up
 *   line 1      READER     participant + 1 of whoever reads, 0: nobody. atomic: any thread claims, the reader releases
 *   then, for each participant, a ring:
 *     line 0    HEAD               events published so far (32 bits). atomic: its participant writes, the reader reads
 *               PENDING            1 while an event has its number, but is not published. atomic: as HEAD
 *               PENDING_SEQUENCE   no event that is pending has a lower number than this. atomic: as HEAD
 *     line 1    TAIL               events read so far (32 bits). atomic: the reader writes, its participant reads
 *     then      the events, EventWord.WORDS each. its participant writes before HEAD, the reader reads before TAIL
 */

import { LINE_WORDS } from '../shared/cache-line.ts';

/** The head of the region. */
export const EventsWord = { SEQUENCE: 0, READER: LINE_WORDS } as const;
const EVENTS_HEADER_WORDS: number = 2 * LINE_WORDS;

/** A participant's ring. */
export const EventRingWord = {
  HEAD: 0,
  PENDING: 1,
  PENDING_SEQUENCE: 2,
  TAIL: LINE_WORDS,
  EVENTS: 2 * LINE_WORDS,
} as const;

/** One event, two cache lines. */
export const EventWord = {
  SEQUENCE: 0,
  /** EventKind | the Counter of the removal << 8 | EVENT_TRANSLATED | EVENT_ASSURED. */
  KIND: 1,
  /** 64-bit float, ms. */
  TIME: 2,
  /** As in the record. */
  META: 4,
  PORTS: 5,
  REV_PORTS: 6,
  MARK: 7,
  STATE: 8,
  /** Until the connection expires. */
  TIMEOUT_MS: 9,
  RECORD: 10,
  GENERATION: 11,
  LABEL: 12,
  /** Four words each; IPv4 uses the first. REV_ only with EVENT_TRANSLATED. */
  SRC: 16,
  DST: 20,
  REV_SRC: 24,
  REV_DST: 28,
  WORDS: 32,
} as const;

export const EventKind = { new: 0, update: 1, destroy: 2 } as const;
export const EVENT_KIND_MASK = 0xff;
export const EVENT_REASON_SHIFT = 8;
export const EVENT_REASON_MASK = 0xff;
/** The reverse tuple is not simply the tuple turned round. */
export const EVENT_TRANSLATED = 0x10000;
/** Linux would call the connection assured (assured.ts). */
export const EVENT_ASSURED = 0x20000;

/** Words of a ring for this many events. */
function ringWords(capacity: number): number {
  return EventRingWord.EVENTS + capacity * EventWord.WORDS;
}

/** Words of the region. @param capacity events of a ring, a power of two */
export function eventsWords(maxParticipants: number, capacity: number): number {
  return EVENTS_HEADER_WORDS + maxParticipants * ringWords(capacity);
}

/** Word index of a participant's ring. */
export function eventRing(participant: number, capacity: number): number {
  return EVENTS_HEADER_WORDS + participant * ringWords(capacity);
}
