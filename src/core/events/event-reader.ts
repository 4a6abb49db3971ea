/** Events, the reader's side: what all threads have written (events.ts), as objects, in one order. */

import { setTimeout as delay } from 'node:timers/promises';
import { compareExchange, load, store, type Words } from '../../shared/access.ts';
import { sumCounter } from '../../shared/memory/counters.ts';
import { ErrorCode } from '../../shared/error-codes.ts';
import { formatLabel } from '../action.ts';
import { Counter, COUNTER_NAMES } from '../counters.ts';
import { type TcpInfo, tcpInfo } from '../inspect/dump.ts';
import { expectSignal, expectWhole, UsageError } from '../errors.ts';
import {
  EVENT_ASSURED,
  EVENT_KIND_MASK,
  EVENT_REASON_MASK,
  EVENT_REASON_SHIFT,
  EVENT_TRANSLATED,
  EventKind,
  eventRing,
  EventRingWord,
  EventsWord,
  EventWord,
} from './event-layout.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { metaProtocol, metaZone, reverseMeta } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';
import { hasReply } from '../inspect/conversation.ts';
import { RECORD_SPAN } from '../table/conn.ts';
import type { TableHandle } from '../memory/table-handle.ts';
import { formatTuple, type Tuple } from '../inspect/tuple.ts';

/**
 * Why a connection is gone: expired and met by a packet or by the sweeper, killed by a packet with `force` or by a SYN
 * that opens its tuple anew, flushed, or evicted to make room.
 */
export type DestroyReason = 'expiredAtLookup' | 'expiredAtSweep' | 'forced' | 'reopened' | 'flushed' | 'evicted';

export interface ConnEvent {
  kind: 'new' | 'update' | 'destroy';
  /** Of a destroy. */
  reason?: DestroyReason;
  /** Place in the order of all events; some numbers are not used. */
  sequence: number;
  /** The participant that wrote it. */
  participant: number;
  /** The clock of the packet, sweep or flush that caused it, in ms. */
  timeMs: number;
  /** The connection: the same in all of its events, and no other connection's. */
  id: number;
  orig: Tuple;
  reply: Tuple;
  zone: number;
  mark: number;
  /** 32 hexadecimal digits. */
  label: string;
  /** Have packets come from both ends? */
  hasReply: boolean;
  /** As Linux has it: the TCP handshake was completed, or UDP goes on for more than two seconds. */
  isAssured: boolean;
  /** Until it expires; of no meaning in a destroy. */
  timeoutMs: number;
  tcp?: TcpInfo;
}

const GENERATION_MASK = 0xfffffff;

export interface FollowOptions {
  /** Time between two looks, default 50 ms. */
  pollMs?: number;
  /** Ends the iteration. */
  signal?: AbortSignal;
}

const FOLLOW_NAMES: OptionNames<FollowOptions> = { pollMs: true, signal: true };
/** Longest that a timer of Node can wait. */
const MAX_POLL_MS = 0x7fffffff;

const KIND_NAMES = Object.keys(EventKind) as ConnEvent['kind'][];

/**
 * Reads the events of a table, from all threads that work on it. One reader at a time; as long as there is one, events
 * are written.
 *
 * Order: events come by their number, never one after a later one. One connection's events of one thread are in the
 * order in which they happened; between threads, what was caused by another comes after it (an answer after the
 * creation). Two things that happened at the same moment in two threads may stand either way round: a thread may still
 * report an update of a connection that another thread has just removed, and a connection that takes the tuple of an
 * expired one may come before the destroy of that one (the ids tell them apart).
 */
export class EventReader {
  readonly #tracker: TableHandle;
  readonly #words: Words;
  readonly #times: Float64Array;
  readonly #lostBefore: number;
  /** Word index of each participant's ring. */
  readonly #rings: number[];
  /** Read from the rings and not handed out yet. */
  #collected: ConnEvent[] = [];
  /** Every event with a lower number was collected. A number of any size; the ring has its low 32 bits. */
  #complete: number;
  #isOpen = true;

  /**
   * @internal Switches events on: `conntrack.events()` does so.
   * @throws UsageError if somebody reads them already
   */
  constructor(tracker: TableHandle) {
    if (!(tracker?.memory?.events instanceof Int32Array)) {
      throw new UsageError('a reader of events is made by a handle: say conntrack.events()');
    }
    const { events } = tracker.memory;
    if (compareExchange(events, EventsWord.READER, 0, tracker.participant.id + 1) !== 0) {
      throw new UsageError('the events of this table are being read already; there can be one reader at a time');
    }
    this.#tracker = tracker;
    this.#words = events;
    this.#times = new Float64Array(events.buffer);
    this.#complete = load(events, EventsWord.SEQUENCE) >>> 0;
    const { maxParticipants, eventCapacity } = tracker.memory;
    this.#rings = Array.from({ length: maxParticipants }, (_, id) => eventRing(id, eventCapacity));
    for (const ring of this.#rings) {
      /* What a reader before us left. */
      store(events, ring + EventRingWord.TAIL, load(events, ring + EventRingWord.HEAD));
    }
    this.#lostBefore = this.#sumLost();
    store(tracker.words, tracker.settings + SettingWord.EVENTS, 1);
  }

  #sumLost(): number {
    return sumCounter(this.#tracker.participants, Counter.eventsLost);
  }

  /** Events are written and read. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Events that found their thread's ring full since this reader was opened. */
  get lost(): number {
    this.#tracker.assertOpen();
    return this.#sumLost() - this.#lostBefore;
  }

  /**
   * Takes what stands in the rings, to make room for more; `drain` hands it out.
   * @throws UsageError when the reader is closed: the events are another one's by now
   */
  collect(): void {
    this.#tracker.assertOpen();
    if (!this.#isOpen) {
      throw new UsageError('this reader of events is closed: ask for another one', { code: ErrorCode.CLOSED });
    }
    const words = this.#words;
    let complete = load(words, EventsWord.SEQUENCE);
    for (const ring of this.#rings) {
      if (load(words, ring + EventRingWord.PENDING) !== 0) {
        const pending = load(words, ring + EventRingWord.PENDING_SEQUENCE);
        if (((pending - complete) | 0) < 0) {
          complete = pending;
        }
      }
    }
    /* Only now the heads: whatever has a lower number than `complete` is before them. */
    this.#rings.forEach((ring, participant) => {
      const head = load(words, ring + EventRingWord.HEAD);
      const { eventCapacity } = this.#tracker.memory;
      let tail = load(words, ring + EventRingWord.TAIL);
      for (; tail !== head; tail = (tail + 1) | 0) {
        const slot = ring + EventRingWord.EVENTS + (tail & (eventCapacity - 1)) * EventWord.WORDS;
        this.#collected.push(this.#eventAt(slot, participant));
      }
      store(words, ring + EventRingWord.TAIL, tail);
    });
    this.#complete = this.#widened(complete);
  }

  /** The number near `#complete` that has these low 32 bits. */
  #widened(sequence: number): number {
    return this.#complete + ((sequence - (this.#complete | 0)) | 0);
  }

  /** The events since the last drain, in order. @throws UsageError when the handle that gave this reader is closed */
  drain(): ConnEvent[] {
    this.#tracker.assertOpen();
    if (this.#isOpen) {
      this.collect();
    }
    const isDue = (event: ConnEvent) => event.sequence < this.#complete;
    const due = this.#collected.filter(isDue);
    this.#collected = this.#collected.filter((event) => !isDue(event));
    return due.toSorted((a, b) => a.sequence - b.sequence);
  }

  /**
   * Drains again and again; yields what there is, never an empty array.
   * @param options.pollMs a thread that writes more than `eventCapacity` events in that time loses some
   * @throws UsageError on a wrong option
   */
  follow(options: FollowOptions = {}): AsyncGenerator<ConnEvent[], void, void> {
    this.#tracker.assertOpen();
    const { pollMs = 50, signal } = expectOptions('the options of follow', options, FOLLOW_NAMES);
    expectWhole('pollMs', pollMs, 0, MAX_POLL_MS);
    expectSignal(signal);
    return this.#follow(pollMs, signal);
  }

  async *#follow(pollMs: number, signal: AbortSignal | undefined): AsyncGenerator<ConnEvent[], void, void> {
    while (this.#isOpen) {
      if (signal?.aborted === true) {
        return;
      }
      const events = this.drain();
      if (events.length > 0) {
        yield events;
      } else {
        await delay(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
      }
    }
  }

  /** Switches events off. What was collected can still be drained. */
  close(): void {
    if (this.#isOpen) {
      this.#isOpen = false;
      store(this.#tracker.words, this.#tracker.settings + SettingWord.EVENTS, 0);
      store(this.#words, EventsWord.READER, 0);
    }
  }

  #eventAt(slot: number, participant: number): ConnEvent {
    const words = this.#words;
    const kindWord = words[slot + EventWord.KIND]!;
    const kind = KIND_NAMES[kindWord & EVENT_KIND_MASK]!;
    const meta = words[slot + EventWord.META]!;
    const state = words[slot + EventWord.STATE]!;
    const isTcp = metaProtocol(meta) === Protocol.TCP;
    const orig = {
      words,
      ports: slot + EventWord.PORTS,
      src: slot + EventWord.SRC,
      dst: slot + EventWord.DST,
      src6: slot + EventWord.SRC,
      dst6: slot + EventWord.DST,
    };
    const reply =
      (kindWord & EVENT_TRANSLATED) === 0
        ? { ...orig, src: orig.dst, dst: orig.src, src6: orig.dst, dst6: orig.src, turnsPorts: true }
        : {
            words,
            ports: slot + EventWord.REV_PORTS,
            src: slot + EventWord.REV_SRC,
            dst: slot + EventWord.REV_DST,
            src6: slot + EventWord.REV_SRC,
            dst6: slot + EventWord.REV_DST,
          };
    const reason = (kindWord >>> EVENT_REASON_SHIFT) & EVENT_REASON_MASK;
    return {
      kind,
      ...(kind === 'destroy' ? { reason: reasonOf(reason, isTcp, state) } : {}),
      sequence: this.#widened(words[slot + EventWord.SEQUENCE]!),
      participant,
      timeMs: this.#times[(slot + EventWord.TIME) >> 1]!,
      id: (words[slot + EventWord.GENERATION]! & GENERATION_MASK) * RECORD_SPAN + words[slot + EventWord.RECORD]!,
      orig: formatTuple(meta, orig),
      reply: formatTuple(reverseMeta(meta), reply),
      zone: metaZone(meta),
      mark: words[slot + EventWord.MARK]! >>> 0,
      label: formatLabel(words, slot + EventWord.LABEL),
      hasReply: hasReply(meta, state),
      isAssured: (kindWord & EVENT_ASSURED) !== 0,
      timeoutMs: words[slot + EventWord.TIMEOUT_MS]!,
      ...(isTcp ? { tcp: tcpInfo(state) } : {}),
    };
  }
}

function reasonOf(counter: number, isTcp: boolean, state: number): DestroyReason {
  if (counter !== Counter.killed) {
    return COUNTER_NAMES[counter] as DestroyReason;
  }
  /* A SYN that opens the tuple anew leaves both peers closed; nothing else does. */
  return isTcp && (state & 0xff) === 0 ? 'reopened' : 'forced';
}
