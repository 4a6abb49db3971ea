/**
 * The connections of each zone, so that a flush, a dump or a count of a zone reads that zone alone. docs/zones.md has the reasons.
 *
 *   create:  listed -> linked in the index          remove:  unlinked -> unlisted -> retired
 *
 * A participant lists the connections that it creates, at the end of its own list of their zone. So an insertion writes no word that
 * another participant's insertions write, and takes a lock once in 12 times, for a new segment. The thread that removes a connection
 * clears its place. Whoever clears the last place of a segment takes the segment out of its list. So a list has no segment without
 * a connection, except its last one.
 *
 * A list may name a record that is not linked yet, or not any more. The reader finds each record in the index before it uses it
 * (inspect/table-walk.ts). A listed record names its place in its word PLACE.
 *
 * What a dead thread left half done is in its participant block: LIST_SEGMENT, LIST_PLACE, LIST_EMPTIED, LIST_UNLINKED. Plain stores
 * that directly follow an atomic operation happen with it or not at all (shared/memory/participant.ts).
 */

import { add, load, peek, poke, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import type { Epochs } from '../../shared/memory/epoch.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';
import { Slab, SLAB_CACHE_WORDS, SlabLayout } from '../../shared/memory/slab.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, lockWithin, releaseOfDead, unlock } from '../../shared/sync/mutex.ts';
import { metaZone } from '../packet/key.ts';
import { ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import {
  FIRST_PLACE,
  PLACES,
  SEGMENT_CACHE,
  SEGMENT_SHIFT,
  SEGMENT_WORDS,
  SegmentWord,
  TAIL_WORDS,
  TailWord,
  ZONES,
  type ZoneListsLayout,
} from './zone-lists-layout.ts';

export interface ZoneListsOptions {
  /** The region of the lists. */
  words: Words;
  layout: ZoneListsLayout;
  /** The table's words, with the records. */
  records: Words;
  maxParticipants: number;
  epochs: Epochs;
}

/** In place of a time to wait: as long as the participant's lock timeout allows. */
const AS_LONG_AS_IT_TAKES = -1;
const NO_RECORDS = new Int32Array(0);
/** Offset in a participant's block of the head of its retired segments. */
const RETIRED_SEGMENTS = ParticipantWord.CACHES + SEGMENT_CACHE * SLAB_CACHE_WORDS + SlabLayout.RETIRED_HEAD;

export class ZoneLists {
  readonly words: Words;
  readonly layout: ZoneListsLayout;
  readonly slab: Slab;
  private readonly records: Words;
  private readonly maxParticipants: number;
  private readonly epochs: Epochs;
  private readonly locks: number;
  private readonly heads: number;
  private readonly tails: number;

  constructor({ words, layout, records, maxParticipants, epochs }: ZoneListsOptions) {
    this.words = words;
    this.layout = layout;
    this.records = records;
    this.maxParticipants = maxParticipants;
    this.epochs = epochs;
    this.locks = layout.locks;
    this.heads = layout.heads;
    this.tails = layout.tails;
    this.slab = new Slab({
      words,
      base: layout.slab,
      records: words,
      unitWords: SEGMENT_WORDS,
      firstUnit: layout.firstSegment,
      endUnit: layout.endSegment,
      linkWord: SegmentWord.PREVIOUS,
      tagWord: SegmentWord.LIST,
      firstCache: SEGMENT_CACHE,
      classes: 1,
      inFlightWord: ParticipantWord.LIST_SEGMENT,
    });
  }

  /** Call once, in the thread that creates the region. */
  initialise(): void {
    this.slab.initialise();
  }

  /** Word index of the mutex of a participant's lists. */
  lockOf(participant: number): number {
    return this.locks + participant * LINE_WORDS;
  }

  /** Word index of a participant's tail of a zone. */
  tailOf(participant: number, zone: number): number {
    return this.tails + (participant * ZONES + zone) * TAIL_WORDS;
  }

  /** Word index of the head of a list. @param list zone * maxParticipants + participant, as in SegmentWord.LIST */
  headOf(list: number): number {
    return this.heads + list;
  }

  /**
   * Lists a record that is complete and not linked yet. The record is in flight (RECORD_IN_FLIGHT): a repair unlists it.
   * @returns false when no memory is left
   */
  list(record: number, participant: Participant): boolean {
    const { words } = this;
    const records = this.records;
    const r = record << UNIT_SHIFT;
    const zone = metaZone(records[r + ConnWord.META]!);
    const tail = this.tailOf(participant.id, zone);
    let place = words[tail + TailWord.NEXT_PLACE]!;
    if ((place & (SEGMENT_WORDS - 1)) === 0) {
      place = this.addSegment(zone, participant);
      if (place === 0) {
        return false;
      }
    }
    /* In one step: a death leaves the record listed or not. */
    poke(words, place, record);
    records[r + ConnWord.PLACE] = place;
    words[tail + TailWord.NEXT_PLACE] = place + 1;
    return true;
  }

  /** Adds a segment to the end of the participant's list of a zone. @returns the word of its first place; 0: no memory is left */
  private addSegment(zone: number, participant: Participant): number {
    const { words } = this;
    const segment = this.slab.allocate(participant, 0);
    participant.words[participant.base + ParticipantWord.LIST_SEGMENT] = segment;
    if (segment === 0) {
      return 0;
    }
    const at = segment << SEGMENT_SHIFT;
    const tail = this.tailOf(participant.id, zone);
    const list = zone * this.maxParticipants + participant.id;
    const mutex = this.lockOf(participant.id);
    lock(words, mutex, participant, LockClass.leaf, LockSite.zoneListExtend);
    const last = words[tail + TailWord.LAST]!;
    words[at + SegmentWord.LIVE] = PLACES;
    words[at + SegmentWord.LIST] = list;
    words[at + SegmentWord.NEXT] = 0;
    words[at + SegmentWord.PREVIOUS] = last;
    store(words, last === 0 ? this.heads + list : (last << SEGMENT_SHIFT) + SegmentWord.NEXT, segment);
    words[tail + TailWord.LAST] = segment;
    words[tail + TailWord.NEXT_PLACE] = at + FIRST_PLACE;
    participant.words[participant.base + ParticipantWord.LIST_SEGMENT] = 0;
    unlock(words, mutex);
    return at + FIRST_PLACE;
  }

  /**
   * Unlists a record that is not linked any more, or never was. The caller owns the record, and has not given it to the slab.
   * A record that is not listed is left alone, so a repair may call it again.
   */
  unlist(record: number, participant: Participant): void {
    this.#unlist(record, participant, AS_LONG_AS_IT_TAKES);
  }

  /** As unlist, for a repair. @returns false: another thread held a lock for `waitMs`; call it again */
  unlistWithin(record: number, participant: Participant, waitMs: number): boolean {
    return this.finish(participant, waitMs) && this.#unlist(record, participant, waitMs);
  }

  #unlist(record: number, participant: Participant, waitMs: number): boolean {
    const place = this.records[(record << UNIT_SHIFT) + ConnWord.PLACE]!;
    if (!this.isPlaceOf(place, record)) {
      return true;
    }
    participant.words[participant.base + ParticipantWord.LIST_PLACE] = place;
    return this.#clearPlace(place, participant, waitMs);
  }

  /** Does this place name the record? Any number may stand in the record's PLACE. */
  isPlaceOf(place: number, record: number): boolean {
    const segment = place >>> SEGMENT_SHIFT;
    return (
      segment >= this.layout.firstSegment &&
      segment < this.layout.endSegment &&
      (place & (SEGMENT_WORDS - 1)) >= FIRST_PLACE &&
      peek(this.words, place) === record
    );
  }

  /** LIST_PLACE names the place. */
  #clearPlace(place: number, participant: Participant, waitMs: number): boolean {
    const { words } = this;
    const own = participant.words;
    const { base } = participant;
    const segment = place >>> SEGMENT_SHIFT;
    /* Cleared before it is uncounted: the segment may be in another list right after. */
    poke(words, place, 0);
    const live = add(words, (segment << SEGMENT_SHIFT) + SegmentWord.LIVE, -1) - 1;
    own[base + ParticipantWord.LIST_PLACE] = 0;
    if (live !== 0) {
      return true;
    }
    own[base + ParticipantWord.LIST_EMPTIED] = segment;
    return this.#takeOut(segment, participant, waitMs);
  }

  /** Takes a segment without live places out of its list. LIST_EMPTIED names it. */
  #takeOut(segment: number, participant: Participant, waitMs: number): boolean {
    const { words } = this;
    const at = segment << SEGMENT_SHIFT;
    const list = words[at + SegmentWord.LIST]!;
    const zone = Math.trunc(list / this.maxParticipants);
    const owner = list - zone * this.maxParticipants;
    const mutex = this.lockOf(owner);
    if (waitMs === AS_LONG_AS_IT_TAKES) {
      lock(words, mutex, participant, LockClass.leaf, LockSite.zoneListShorten);
    } else if (!lockWithin(words, mutex, participant, LockClass.leaf, waitMs)) {
      return false;
    }
    const next = words[at + SegmentWord.NEXT]!;
    const previous = words[at + SegmentWord.PREVIOUS]!;
    const lastWord = this.tailOf(owner, zone) + TailWord.LAST;
    store(words, previous === 0 ? this.heads + list : (previous << SEGMENT_SHIFT) + SegmentWord.NEXT, next);
    words[next === 0 ? lastWord : (next << SEGMENT_SHIFT) + SegmentWord.PREVIOUS] = previous;
    participant.words[participant.base + ParticipantWord.LIST_EMPTIED] = 0;
    participant.words[participant.base + ParticipantWord.LIST_UNLINKED] = segment;
    unlock(words, mutex);
    this.#retire(segment, participant);
    return true;
  }

  /** A reader may stand on the segment, and must find its way on from there. */
  #retire(segment: number, participant: Participant): void {
    this.slab.retire(participant, 0, segment, this.epochs.current());
    participant.words[participant.base + ParticipantWord.LIST_UNLINKED] = 0;
  }

  /** Frees the segments that the participant retired before epoch `oldest`. */
  reclaim(participant: Participant, oldest: number): void {
    if (participant.words[participant.base + RETIRED_SEGMENTS] !== 0) {
      this.slab.reclaim(participant, oldest);
    }
  }

  /**
   * The records in the lists of a zone, each once: every connection that is linked during the whole call, and perhaps records that
   * are not linked, or are by now connections of another zone. Called inside an epoch, takes no lock. The time depends on the zone
   * and on the number of participants alone.
   */
  recordsOf(zone: number): Int32Array {
    const { words } = this;
    let found = NO_RECORDS;
    let count = 0;
    const first = this.heads + zone * this.maxParticipants;
    for (let head = first; head < first + this.maxParticipants; head++) {
      for (let segment = load(words, head); segment !== 0; ) {
        const at = segment << SEGMENT_SHIFT;
        if (count + PLACES > found.length) {
          const larger = new Int32Array(Math.max(8 * PLACES, found.length * 2));
          larger.set(found);
          found = larger;
        }
        for (let place = at + FIRST_PLACE; place < at + SEGMENT_WORDS; place++) {
          const record = peek(words, place);
          if (record !== 0) {
            found[count++] = record;
          }
        }
        segment = load(words, at + SegmentWord.NEXT);
      }
    }
    return count === 0 ? NO_RECORDS : found.subarray(0, count);
  }

  /** After the participant's thread has died: releases its locks. @returns how many it held */
  repairLocks(participant: Participant): number {
    let released = this.slab.repair(participant) ? 1 : 0;
    for (let id = 0; id < this.maxParticipants; id++) {
      released += releaseOfDead(this.words, this.lockOf(id), participant, LockClass.leaf) ? 1 : 0;
    }
    return released;
  }

  /**
   * After the participant's thread has died and repairLocks: finishes or undoes what it was doing. Calling it again is safe.
   * @returns false: another thread held a lock for `waitMs`; call it again
   */
  finish(participant: Participant, waitMs: number): boolean {
    const own = participant.words;
    const { base } = participant;
    const segment = own[base + ParticipantWord.LIST_SEGMENT]!;
    if (segment !== 0) {
      this.slab.keep(participant, 0, segment);
    }
    const unlinked = own[base + ParticipantWord.LIST_UNLINKED]!;
    if (unlinked !== 0) {
      this.#retire(unlinked, participant);
    }
    const place = own[base + ParticipantWord.LIST_PLACE]!;
    if (place !== 0) {
      return this.#clearPlace(place, participant, waitMs);
    }
    const emptied = own[base + ParticipantWord.LIST_EMPTIED]!;
    return emptied === 0 || this.#takeOut(emptied, participant, waitMs);
  }
}
