/** The reader of events: the events of all threads (events.ts), as objects, in one order. */

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
import { ConnectionIds } from './connection-ids.ts';
import type { TableHandle } from '../memory/table-handle.ts';
import { formatTuple, type Tuple } from '../inspect/tuple.ts';

/**
 * Why a connection was removed. expiredAtLookup, expiredAtSweep: it had expired, and a packet or the sweeper met it.
 * forced: a packet with `force` removed it. reopened: a SYN reopened its tuple. flushed. evicted: a new connection took
 * its place.
 */
export type DestroyReason = 'expiredAtLookup' | 'expiredAtSweep' | 'forced' | 'reopened' | 'flushed' | 'evicted';

export interface ConnEvent {
  kind: 'new' | 'update' | 'destroy';
  /** Of a destroy. */
  reason?: DestroyReason;
  /** Position in the order of all events. Some numbers are not used. */
  sequence: number;
  /** The participant that wrote it. */
  participant: number;
  /** The clock of the packet, sweep or flush that caused it, in ms. */
  timeMs: number;
  /** Identifies the connection: the same in all of its events, and different from every other connection's. */
  id: number;
  orig: Tuple;
  reply: Tuple;
  zone: number;
  mark: number;
  /** 32 hexadecimal digits. */
  label: string;
  /** Have packets come from both ends? */
  hasReply: boolean;
  /**
   * Assured, as Linux defines it: the TCP handshake was completed, or a UDP conversation lasted for more than two
   * seconds.
   */
  isAssured: boolean;
  /** Milliseconds until the connection expires. Meaningless in a destroy. */
  timeoutMs: number;
  tcp?: TcpInfo;
}

export interface FollowOptions {
  /** Time between two polls, in ms. Default: 50. */
  pollMs?: number;
  /** Ends the iteration. */
  signal?: AbortSignal;
}

const FOLLOW_NAMES: OptionNames<FollowOptions> = { pollMs: true, signal: true };
/** The longest delay of a timer in Node. */
const MAX_POLL_MS = 0x7fffffff;

const KIND_NAMES = Object.keys(EventKind) as ConnEvent['kind'][];

/**
 * Reads the events of a table, from all threads. A table has one reader at a time. Events are written while it has one.
 *
 * Order: events come in the order of their numbers. Events of one connection by one thread are in the order in which
 * they happened. If one event caused another in a different thread, it comes first (a creation before the reply).
 *
 * Events of two threads at the same moment may come in either order. A thread may report an update of a connection
 * after another thread has reported its removal. The `new` of a connection that takes the tuple of an expired one may
 * come before the `destroy` of that one. Their ids differ.
 */
export class EventReader {
  readonly #tracker: TableHandle;
  readonly #words: Words;
  readonly #times: Float64Array;
  readonly #lostBefore: number;
  /** Word index of each participant's ring. */
  readonly #rings: number[];
  readonly #ids: ConnectionIds;
  /** Events that were read from the rings and not returned yet. */
  #collected: ConnEvent[] = [];
  /** Every event with a lower number was collected. This number is not limited; the rings hold its low 32 bits. */
  #complete: number;
  #isOpen = true;

  /**
   * @internal Enables events: `conntrack.events()` calls it.
   * @throws UsageError if the table has a reader already
   */
  constructor(tracker: TableHandle) {
    if (!(tracker?.memory?.events instanceof Int32Array)) {
      throw new UsageError('an EventReader needs a handle: call conntrack.events()');
    }
    const { events } = tracker.memory;
    if (compareExchange(events, EventsWord.READER, 0, tracker.participant.id + 1) !== 0) {
      throw new UsageError('the events of this table have a reader already: close it first');
    }
    this.#tracker = tracker;
    this.#words = events;
    this.#times = new Float64Array(events.buffer);
    this.#ids = new ConnectionIds(tracker.layout.end);
    this.#complete = load(events, EventsWord.SEQUENCE) >>> 0;
    const { maxParticipants, eventCapacity } = tracker.memory;
    this.#rings = Array.from({ length: maxParticipants }, (_, id) => eventRing(id, eventCapacity));
    for (const ring of this.#rings) {
      /* Skip the events of an earlier reader. */
      store(events, ring + EventRingWord.TAIL, load(events, ring + EventRingWord.HEAD));
    }
    this.#lostBefore = this.#sumLost();
    store(tracker.words, tracker.settings + SettingWord.EVENTS, 1);
  }

  #sumLost(): number {
    return sumCounter(this.#tracker.participants, Counter.eventsLost);
  }

  /** Is the reader open, so that events are written? */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Events lost since this reader was opened, since the ring of their thread was full. */
  get lost(): number {
    this.#tracker.assertOpen();
    return this.#sumLost() - this.#lostBefore;
  }

  /**
   * Reads the events out of the rings, so that these do not overflow. `drain` returns them.
   * @throws UsageError if the reader is closed: another reader may have the events
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
    /* Read the heads only now: every event with a number below `complete` stands before them. */
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

  /** The number close to `#complete` that has these low 32 bits. */
  #widened(sequence: number): number {
    return this.#complete + ((sequence - (this.#complete | 0)) | 0);
  }

  /** The events since the last drain, in order. @throws UsageError if the handle of this reader is closed */
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
   * Polls the rings, and yields the events whenever there are any.
   * @param options.pollMs a thread that writes more than `eventCapacity` events in this time loses some
   * @throws UsageError for a wrong option
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

  /** Closes the reader, and disables events. Collected events can still be drained. */
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
      id: this.#ids.idOf(words[slot + EventWord.RECORD]!, words[slot + EventWord.GENERATION]!),
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
  /* A SYN that reopens the tuple leaves both peers CLOSED; nothing else does. */
  return isTcp && (state & 0xff) === 0 ? 'reopened' : 'forced';
}
