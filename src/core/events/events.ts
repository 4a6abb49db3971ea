/**
 * Writes events. The thread that changes a connection writes the event into its own ring (event-layout.ts). A full ring
 * stops no thread: the event is lost and counted (`eventsLost`).
 *
 * An event takes its number before other threads can see the change: a creation before the connection is linked, a
 * change of state under the connection's lock, a removal before the connection is unlinked. So the next thread that
 * changes the connection gets a higher number. A number may stay unused (the connection turned out to exist).
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import { add, load, peek, store } from '../../shared/access.ts';
import { EventIntent, IntentKind, ParticipantWord } from '../../shared/memory/participant.ts';
import { isAssured, noteReply } from './assured.ts';
import { Counter } from '../counters.ts';
import {
  EVENT_ASSURED,
  EVENT_REASON_SHIFT,
  EVENT_TRANSLATED,
  EventKind,
  EventRingWord,
  EventsWord,
  EventWord,
} from './event-layout.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { META_IPV6 } from '../packet/key.ts';
import { PacketWord } from '../packet/layout.ts';
import { ConnFlag, ConnWord, LIFE_CLEANED, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../table/conn.ts';
import type { EventRing } from './event-ring.ts';
import type { TableHandle } from '../memory/table-handle.ts';
import type { TimeoutPolicies } from '../expiry/timeouts.ts';
import { readLabel } from '../path/verdict.ts';

/** A table, and what a thread needs to write events. */
type Reporting = TableHandle & {
  readonly eventRing: EventRing;
  /** One number: the thread's time, in ms. */
  readonly time: Float64Array;
  readonly timeouts: TimeoutPolicies;
};

/** In place of an event's word index: the ring is full. */
const LOST = -1;

/** Does a reader want events? */
export function wantsEvents(tracker: Reporting): boolean {
  return peek(tracker.words, tracker.settings + SettingWord.EVENTS) !== 0;
}

/**
 * Writes the event of a connection that the pass `eventRing.action` creates. The record is complete, including the
 * reverse tuple, but not linked yet. Call `commitNew` once it is known whether the record was linked, and before any
 * other event.
 */
export function emitNew(tracker: Reporting, record: number): void {
  const ring = tracker.eventRing;
  const event = begin(tracker, record, EventKind.new);
  ring.open = event;
  const { words: shared, participant } = tracker;
  shared[participant.base + ParticipantWord.EVENT] = EventIntent.created;
  if (event === LOST) {
    return;
  }
  /* A data connection keeps the mark and label that it inherited. */
  if ((tracker.words[(record << UNIT_SHIFT) + ConnWord.FLAGS]! & ConnFlag.RELATED_TO_PARENT) !== 0) {
    return;
  }
  /* The pass sets them after the connection is linked. By then other threads may have changed them. */
  const { words, action } = ring;
  if (action.hasMark) {
    words[event + EventWord.MARK] = (words[event + EventWord.MARK]! & ~action.markMask) | action.markValue;
  }
  if (action.hasLabel) {
    for (let i = 0; i < 4; i++) {
      const at = event + EventWord.LABEL + i;
      words[at] = (words[at]! & ~action.labelMask[i]!) | action.labelValue[i]!;
    }
  }
}

/** Ends emitNew: publishes the event, or discards it if the connection was not linked. */
export function commitNew(tracker: Reporting, isLinked: boolean): void {
  const ring = tracker.eventRing;
  if (isLinked) {
    publish(tracker, ring.open);
  } else {
    tracker.words[tracker.participant.base + ParticipantWord.EVENT] = EventIntent.none;
    store(ring.words, ring.base + EventRingWord.PENDING, 0);
  }
}

/** Writes the event of a changed state. The caller holds the connection's lock if the protocol uses it. */
export function emitUpdate(tracker: Reporting, r: number): void {
  noteReply(tracker.words, r, tracker.time[0]!);
  if (wantsEvents(tracker) && (peek(tracker.words, r + ConnWord.LIFE) & LIFE_CLEANED) === 0) {
    tracker.words[tracker.participant.base + ParticipantWord.EVENT] = EventIntent.update;
    publish(tracker, begin(tracker, r >>> UNIT_SHIFT, EventKind.update));
  }
}

/**
 * Writes the event of a removal. The calling thread is the one that removes the connection.
 * @param reason a Counter of removals
 */
export function emitDestroy(tracker: Reporting, record: number, reason: number): void {
  publish(tracker, begin(tracker, record, EventKind.destroy | (reason << EVENT_REASON_SHIFT)));
}

/** Writes an event, numbered but not published. @returns its word index, or LOST */
function begin(tracker: Reporting, record: number, kind: number): number {
  const { words, base, capacity } = tracker.eventRing;
  const head = words[base + EventRingWord.HEAD]!;
  if (((head - load(words, base + EventRingWord.TAIL)) | 0) >= capacity) {
    return LOST;
  }
  /*
   * Set these before the number is taken: a reader that sees the higher SEQUENCE then also sees that an event is
   * pending.
   */
  store(words, base + EventRingWord.PENDING_SEQUENCE, load(words, EventsWord.SEQUENCE));
  store(words, base + EventRingWord.PENDING, 1);
  const event = base + EventRingWord.EVENTS + (head & (capacity - 1)) * EventWord.WORDS;
  words[event + EventWord.SEQUENCE] = add(words, EventsWord.SEQUENCE, 1);
  fill(tracker, event, record << UNIT_SHIFT, kind);
  return event;
}

function publish(tracker: Reporting, event: number): void {
  const { words, base } = tracker.eventRing;
  const intent = tracker.participant.base + ParticipantWord.EVENT;
  if (event === LOST) {
    tracker.words[intent] = EventIntent.none;
    tracker.counters[Counter.eventsLost]!++;
    return;
  }
  store(words, base + EventRingWord.HEAD, (words[base + EventRingWord.HEAD]! + 1) | 0);
  tracker.words[intent] = EventIntent.none;
  tracker.counters[Counter.events]!++;
  store(words, base + EventRingWord.PENDING, 0);
}

/**
 * Repairs the ring of a participant whose thread has died: publishes the event of a creation that was linked, writes
 * the event of a removal that has none yet, and discards any other pending event, so that the reader does not wait for
 * it.
 * @returns whether an event was lost
 */
export function repairEvents(tracker: Reporting): boolean {
  const { words, base } = tracker.eventRing;
  const { words: shared, participant } = tracker;
  const intent = shared[participant.base + ParticipantWord.EVENT];
  const isPending = load(words, base + EventRingWord.PENDING) !== 0;
  let isLost = false;
  if (intent === EventIntent.due) {
    const head = words[base + EventRingWord.HEAD]!;
    publish(tracker, isPending ? base + EventRingWord.EVENTS + (head & (tracker.eventRing.capacity - 1)) : LOST);
    isLost = !isPending;
  } else if (intent === EventIntent.update && wantsEvents(tracker)) {
    publish(tracker, LOST);
    isLost = true;
  }
  store(words, base + EventRingWord.PENDING, 0);
  if (intent === EventIntent.removal && shared[participant.base + ParticipantWord.INTENT_KIND] === IntentKind.unlink) {
    if (wantsEvents(tracker)) {
      const record = shared[participant.base + ParticipantWord.INTENT_RECORD]!;
      emitDestroy(tracker, record, shared[participant.base + ParticipantWord.INTENT_REASON]!);
    }
  }
  shared[participant.base + ParticipantWord.EVENT] = EventIntent.none;
  return isLost;
}

function fill(tracker: Reporting, event: number, r: number, kind: number): void {
  const { words, times } = tracker.eventRing;
  const records = tracker.words;
  const nowMs = tracker.time[0]!;
  const meta = records[r + ConnWord.META]!;
  const isTranslated = (records[r + ConnWord.FLAGS]! & ConnFlag.TRANSLATED) !== 0;
  words[event + EventWord.KIND] =
    kind | (isTranslated ? EVENT_TRANSLATED : 0) | (isAssured(records, tracker.timeouts, r) ? EVENT_ASSURED : 0);
  times[(event + EventWord.TIME) >> 1] = nowMs;
  words[event + EventWord.META] = meta;
  words[event + EventWord.PORTS] = records[r + ConnWord.PORTS]!;
  words[event + EventWord.MARK] = peek(records, r + ConnWord.MARK);
  words[event + EventWord.STATE] = peek(records, r + ConnWord.STATE);
  words[event + EventWord.TIMEOUT_MS] = (peek(records, r + ConnWord.EXPIRES) - nowMs) | 0;
  words[event + EventWord.RECORD] = r >>> UNIT_SHIFT;
  words[event + EventWord.GENERATION] = peek(records, r + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT;
  readLabel(records, r, words, event + EventWord.LABEL - PacketWord.LABEL);
  if ((meta & META_IPV6) !== 0) {
    copyWords(records, r + ConnWord.SRC6, words, event + EventWord.SRC, 8);
  } else {
    words[event + EventWord.SRC] = records[r + ConnWord.SRC]!;
    words[event + EventWord.DST] = records[r + ConnWord.DST]!;
  }
  if (isTranslated) {
    words[event + EventWord.REV_PORTS] = records[r + ConnWord.REV_PORTS]!;
    if ((meta & META_IPV6) !== 0) {
      copyWords(records, r + ConnWord.REV_SRC6, words, event + EventWord.REV_SRC, 8);
    } else {
      words[event + EventWord.REV_SRC] = records[r + ConnWord.REV_SRC]!;
      words[event + EventWord.REV_DST] = records[r + ConnWord.REV_DST]!;
    }
  }
}
