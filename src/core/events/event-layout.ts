/**
 * Events of connections in shared memory, a ring for each participant. events.ts writes, event-reader.ts
 * reads. The region (memory.events) is reserved at once and committed as it is touched:
 *
 *   head        line 0  | SEQUENCE   number of the next event. atomic: every producer increments it
 *               line 1  | READER     participant + 1 of the reader, 0: none. atomic: any thread claims it, the reader releases it
 *
 *   then, for each participant, a ring:
 *
 *               line 0  | HEAD       events published so far (32 bits). atomic: its participant writes, the reader reads
 *                       | PENDING    1 while an event has a number, but is not published. atomic: as HEAD
 *                       | PENDING_SEQUENCE   no pending event has a lower number. atomic: as HEAD
 *               line 1  | TAIL       events read so far (32 bits). atomic: the reader writes, its participant reads
 *               then      the events, two lines each. written before HEAD is raised, read before TAIL is raised
 *
 *   an event
 *   word   0           1           2           3
 *        +-----------+-----------+-----------------------+
 *      0 | SEQUENCE  | KIND      | TIME, one float       |
 *      4 | META      | PORTS     | REV_PORTS | MARK      |
 *      8 | STATE     | TIMEOUT_MS| RECORD    | GENERATION|
 *     12 | LABEL, 4 words                                |
 *     16 | SRC, 4 words; IPv4 uses the first             |
 *     20 | DST                                           |
 *     24 | REV_SRC, only with EVENT_TRANSLATED           |
 *     28 | REV_DST                                       |
 *        +-----------------------------------------------+
 */

import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { wordLayout } from '../../shared/memory/word-layout.ts';

const EVENTS_HEADER_WORDS: number = 2 * LINE_WORDS;

/** The head of the region. */
export const EventsWord = wordLayout('the head of the events', EVENTS_HEADER_WORDS, {
  SEQUENCE: 1,
  _LINE_0: LINE_WORDS - 1,
  READER: 1,
  _LINE_1: LINE_WORDS - 1,
});

/** Words of a participant's ring before its events. */
const RING_HEADER_WORDS: number = 2 * LINE_WORDS;

/** A participant's ring. */
export const EventRingWord = {
  ...wordLayout('the head of a ring of events', RING_HEADER_WORDS, {
    HEAD: 1,
    PENDING: 1,
    PENDING_SEQUENCE: 1,
    _LINE_0: LINE_WORDS - 3,
    TAIL: 1,
    _LINE_1: LINE_WORDS - 1,
  }),
  EVENTS: RING_HEADER_WORDS,
} as const;

/** Words of an event. */
const EVENT_WORDS: number = 2 * LINE_WORDS;

/** One event, two cache lines. */
export const EventWord = {
  ...wordLayout('an event', EVENT_WORDS, {
    SEQUENCE: 1,
    /** EventKind | the Counter of the removal << 8 | EVENT_TRANSLATED | EVENT_ASSURED. */
    KIND: 1,
    /** 64-bit float, ms. */
    TIME: 2,
    /** As in the record. */
    META: 1,
    PORTS: 1,
    REV_PORTS: 1,
    MARK: 1,
    STATE: 1,
    /** Until the connection expires. */
    TIMEOUT_MS: 1,
    RECORD: 1,
    GENERATION: 1,
    LABEL: 4,
    /** Four words each; IPv4 uses the first. REV_ only with EVENT_TRANSLATED. */
    SRC: 4,
    DST: 4,
    REV_SRC: 4,
    REV_DST: 4,
  }),
  WORDS: EVENT_WORDS,
} as const;

export const EventKind = { new: 0, update: 1, destroy: 2 } as const;
/** Bits of KIND. */
export const EVENT_KIND_MASK = 0xff;
export const EVENT_REASON_SHIFT = 8;
export const EVENT_REASON_MASK = 0xff;
/** The reverse tuple is not just the reversed tuple. */
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
