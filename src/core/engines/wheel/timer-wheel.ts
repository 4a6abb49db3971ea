/**
 * The engine `wheel`: our buckets, with a hierarchical timer wheel instead of the walk over the index. The expiry is a word of the
 * record, which packets write without a lock, as in ct-bucket. The sweeper looks at a connection when its slot comes round. If the
 * connection was extended meanwhile, its node goes to a later slot.
 *
 * Only sweepers touch slots, under a mutex that no packet takes. A thread that creates a connection, kills one, or makes one expire earlier puts
 * its node into an inbox of its own (inbox.ts). The next sweep empties the inboxes. A thread that makes a connection expire later
 * tells nobody.
 *
 * A thread that removes a connection does not touch the wheel. The node stays in its slot until the sweeper meets it, or until the
 * record is used again and comes through an inbox. A node says which generation was linked, and the sweeper removes no other one.
 */

import { CHECKED, load, peek, poke, store, type Words } from '../../../shared/access.ts';
import { LockSite } from '../../../shared/sync/lock-sites.ts';
import { LockClass } from '../../../shared/sync/lockdep.ts';
import { lock, releaseOfDead, unlock } from '../../../shared/sync/mutex.ts';
import { ParticipantWord } from '../../../shared/memory/participant.ts';
import { Counter } from '../../counters.ts';
import { ConnWord, isExpired, LIFE_CLEANED, LIFE_FLAGS, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../../table/conn.ts';
import { obtain } from '../../table/reference-checks.ts';
import type { ExpiryParts, Remover, SweepCursor } from '../expiry.ts';
import { WordExpiry } from '../word-expiry.ts';
import { Inbox } from './inbox.ts';
import { WheelSlots } from './slots.ts';
import { MAX_VISIT_INTERVAL_MS, NodeWord, wheelLayout, WheelIntent, WheelWord } from './wheel-layout.ts';

/** Work under one hold of the mutex. The unit is a step over an empty slot; a node costs more. */
const MAX_WORK = 4096;
const NODE_WORK = 16;

/** Steps of a sweep. From INBOXES on: one for each participant's inbox. */
const BEGIN = 0;
const ADVANCE = 1;
const INBOXES = 2;

export class TimerWheel extends WordExpiry {
  /** The wheel's slots, and its inboxes. Public for the tests. */
  readonly slots: WheelSlots;
  readonly inbox: Inbox;
  /** The engine's region. */
  readonly region: Words;
  private readonly intents: Words;
  private readonly intentBase: number;
  readonly #parts: ExpiryParts;

  constructor(parts: ExpiryParts) {
    const intentBase = parts.participant.base + ParticipantWord.ENGINE;
    super(parts, { linkedIntent: intentBase + WheelIntent.LINKED_RECORD, sweepsAll: true, lists: undefined });
    this.region = parts.region;
    this.intents = parts.participant.words;
    this.intentBase = intentBase;
    this.#parts = parts;
    this.slots = new WheelSlots(parts.region, wheelLayout(parts.maxParticipants), parts.firstUnit, parts.participant);
    this.inbox = new Inbox(parts.region, this.slots, parts.participant);
  }

  override initialise(prefaultConnections: number): void {
    this.slots.initialise(this.#parts.firstUnit, prefaultConnections + Math.ceil(prefaultConnections / 64));
  }

  /** From now on the sweeper may remove this generation. */
  override linked(record: number): void {
    const { region } = this;
    const generationAt = this.slots.nodeOf(record) + NodeWord.GENERATION;
    const generation = peek(this.words, (record << UNIT_SHIFT) + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT;
    /* Plain: the push publishes it. If there is no push, it must be visible before the second look at QUEUE (inbox.ts). */
    poke(region, generationAt, generation);
    if (!this.inbox.add(record)) {
      store(region, generationAt, generation);
      this.inbox.add(record);
    }
    this.intents[this.intentBase + WheelIntent.LINKED_RECORD] = 0;
  }

  /** As in WordExpiry. An earlier expiry is noted before it is written, so that the sweeper learns of it if this thread dies. */
  override extend(r: number, timeout: number, now: number): void {
    const { words } = this;
    const expires = (now + this.timeouts.timeoutMs(words[r + ConnWord.TIMEOUT_POLICY]!, timeout)) | 0;
    const before = peek(words, r + ConnWord.EXPIRES);
    if (((expires - before) | 0) > 0) {
      poke(words, r + ConnWord.EXPIRES, expires);
    } else if (before !== expires) {
      this.shortened(r, timeout, expires);
    }
  }

  protected override shortened(r: number, _timeout: number, expires: number): void {
    const { intents, intentBase } = this;
    intents[intentBase + WheelIntent.SHORTENED_RECORD] = r >>> UNIT_SHIFT;
    /* An atomic store: a sweeper that sets QUEUE to 0 after this sees the new expiry. */
    store(this.words, r + ConnWord.EXPIRES, expires);
    this.inbox.add(r >>> UNIT_SHIFT);
    intents[intentBase + WheelIntent.SHORTENED_RECORD] = 0;
  }

  override killed(record: number): void {
    this.inbox.add(record);
  }

  override expiredAtJump(record: number, _slot: number): void {
    this.inbox.add(record);
  }

  /** Turns the wheel to `now`, then empties the inboxes. */
  override sweep(cursor: SweepCursor, now: number, endMs: number, remove: Remover): boolean {
    const { intents, intentBase } = this;
    const { found } = this.slots;
    const steps = INBOXES + this.#parts.maxParticipants;
    while (cursor.step < steps) {
      const count = this.#collect(cursor.step, now);
      for (let i = 0; i < count; i++) {
        remove(found[i]!);
      }
      intents[intentBase + WheelIntent.SWEEP_LEFT] = 0;
      if (count < 0) {
        cursor.step++;
      } else if (performance.now() >= endMs) {
        return false;
      }
    }
    cursor.step = 0;
    return true;
  }

  /**
   * One hold of the wheel's mutex. Stale records leave the wheel and go to `slots.found`.
   * @returns how many it found, or -1 when this step is done
   */
  #collect(step: number, now: number): number {
    const { region, slots, inbox } = this;
    if (step >= INBOXES && inbox.isEmpty(step - INBOXES)) {
      return -1;
    }
    let count = 0;
    let isDone = false;
    lock(region, WheelWord.MUTEX, this.#parts.participant, LockClass.leaf, LockSite.wheel);
    if (step === BEGIN) {
      slots.beginLocked(now);
      isDone = true;
    }
    for (let work = 0; !isDone && work < MAX_WORK && count < slots.found.length; work++) {
      const record = step === ADVANCE ? slots.recordPendingLocked() : inbox.takeLocked(step - INBOXES);
      if (record !== 0) {
        work += NODE_WORK;
        count += this.#settleLocked(record, now, step === ADVANCE, count);
      } else {
        isDone = step !== ADVANCE || !slots.advanceLocked(now);
      }
    }
    unlock(region, WheelWord.MUTEX);
    return isDone && count === 0 ? -1 : count;
  }

  /**
   * Places a record's node, drops it, or takes the record out of the wheel, to remove it.
   * @param isDueKnown the node was in a slot: its record need not be read before it is due
   * @returns 1: the record is number `count` of those to remove
   */
  #settleLocked(record: number, now: number, isDueKnown: boolean, count: number): number {
    const { slots, words } = this;
    const node = slots.nodeOf(record);
    if (isDueKnown) {
      const due = slots.dueLocked(node);
      const leftMs = (due - now) | 0;
      /* A time that is further away is one of another clock. */
      if (leftMs > 0 && leftMs <= MAX_VISIT_INTERVAL_MS) {
        slots.placeLocked(node, due);
        return 0;
      }
    }
    this.#parts.counters[Counter.sweepVisited]!++;
    const r = record << UNIT_SHIFT;
    const generation = load(this.region, node + NodeWord.GENERATION);
    const life = load(words, r + ConnWord.LIFE);
    const expires = load(words, r + ConnWord.EXPIRES);
    if ((life & LIFE_CLEANED) !== 0 || life >>> LIFE_GENERATION_SHIFT !== generation) {
      slots.dropLocked(node);
      return 0;
    }
    if ((life & LIFE_FLAGS) !== 0 || isExpired(expires, now)) {
      if (CHECKED) {
        obtain(this.#parts.checks, record);
      }
      slots.takeLocked(node, record, count);
      return 1;
    }
    const leftMs = (expires - now) | 0;
    const due = leftMs > MAX_VISIT_INTERVAL_MS ? (now + MAX_VISIT_INTERVAL_MS) | 0 : expires;
    if (!isDueKnown && slots.isInTimeLocked(node, due)) {
      slots.keepLocked();
    } else {
      slots.placeLocked(node, due);
    }
    return 0;
  }

  /** Puts every record that the dead thread had taken into its inbox, where the next sweep finds it. */
  override repair(): boolean {
    const { inbox, intents, intentBase } = this;
    const { found } = this.slots;
    const heldIt = releaseOfDead(this.region, WheelWord.MUTEX, this.#parts.participant, LockClass.leaf);
    inbox.redoPush();
    inbox.redoTake();
    for (let left = intents[intentBase + WheelIntent.SWEEP_LEFT]!; left > 0; left--) {
      inbox.add(found[left - 1]!);
      intents[intentBase + WheelIntent.SWEEP_LEFT] = left - 1;
    }
    const shortened = intents[intentBase + WheelIntent.SHORTENED_RECORD]!;
    if (shortened !== 0) {
      inbox.add(shortened);
      intents[intentBase + WheelIntent.SHORTENED_RECORD] = 0;
    }
    const linked = intents[intentBase + WheelIntent.LINKED_RECORD]!;
    if (linked !== 0) {
      this.linked(linked);
    }
    return heldIt;
  }
}
