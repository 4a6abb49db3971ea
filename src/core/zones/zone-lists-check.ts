/** Checks that the zone lists are consistent while no thread works. For tests and for the soak. */

import { metaZone } from '../packet/key.ts';
import { PARTICIPANT_WORDS, type ParticipantRegion, ParticipantWord } from '../../shared/memory/participant.ts';
import { SLAB_CACHE_WORDS, SlabLayout } from '../../shared/memory/slab.ts';
import { BucketTable } from '../table/bucket-table.ts';
import { ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { ZoneLists } from './zone-lists.ts';
import {
  FIRST_PLACE,
  SEGMENT_CACHE,
  SEGMENT_SHIFT,
  SEGMENT_WORDS,
  SegmentWord,
  TailWord,
} from './zone-lists-layout.ts';

/** The part of a thread's tracker that the check reads. */
interface Checked {
  readonly table: BucketTable;
  readonly zoneLists: ZoneLists;
  readonly participants: ParticipantRegion;
}

/**
 * The faults of the zone lists; empty if each linked connection is listed once, in its zone, and each segment is in one list, free,
 * retired or fresh. It looks at the zones that segments name, so its time depends on the connections alone.
 */
export function zoneListFaults(tracker: Checked): string[] {
  const check = new ZoneListsCheck(tracker);
  check.slab();
  for (const zone of check.zonesWithSegments()) {
    check.zone(zone);
  }
  check.records();
  check.segments();
  return check.faults;
}

class ZoneListsCheck {
  readonly faults: string[] = [];
  readonly #tracker: Checked;
  readonly #words: Int32Array;
  /** Where each segment is. */
  readonly #segments = new Map<number, string>();
  readonly #listed = new Set<number>();

  constructor(tracker: Checked) {
    this.#tracker = tracker;
    this.#words = tracker.zoneLists.words;
  }

  #expect(what: string, found: number | string | undefined, wanted: number | string | undefined): void {
    if (found !== wanted) {
      this.faults.push(`zone lists: ${what}: ${found}, not ${wanted}`);
    }
  }

  /** @returns false: the segment was seen before */
  #note(segment: number, where: string): boolean {
    this.#expect(`segment ${segment} (${where}) also`, this.#segments.get(segment), undefined);
    const isNew = !this.#segments.has(segment);
    this.#segments.set(segment, where);
    return isNew;
  }

  zone(zone: number): void {
    const { zoneLists, participants } = this.#tracker;
    for (let id = 0; id < participants.maxParticipants; id++) {
      const list = zone * participants.maxParticipants + id;
      const tail = zoneLists.tailOf(id, zone);
      const nextPlace = this.#words[tail + TailWord.NEXT_PLACE]!;
      let previous = 0;
      let segment = this.#words[zoneLists.headOf(list)]!;
      while (segment !== 0 && this.#note(segment, `zone ${zone} of participant ${id}`)) {
        const at = segment << SEGMENT_SHIFT;
        this.#expect(`LIST of segment ${segment}`, this.#words[at + SegmentWord.LIST], list);
        this.#expect(`PREVIOUS of segment ${segment}`, this.#words[at + SegmentWord.PREVIOUS], previous);
        const next = this.#words[at + SegmentWord.NEXT]!;
        /* If the last segment is full, NEXT_PLACE is the word behind it, where any segment may begin. */
        const isOpen = nextPlace >>> SEGMENT_SHIFT === segment && nextPlace % SEGMENT_WORDS !== 0;
        this.#places(segment, zone, isOpen ? nextPlace : at + SEGMENT_WORDS);
        this.#expect(`segment ${segment} is open and not the last`, isOpen && next !== 0 ? 'yes' : 'no', 'no');
        previous = segment;
        segment = next;
      }
      this.#expect(`LAST of zone ${zone} of participant ${id}`, this.#words[tail + TailWord.LAST], previous);
    }
  }

  /** @param end the word of the first place that was never used */
  #places(segment: number, zone: number, end: number): void {
    const { words } = this.#tracker.table;
    const at = segment << SEGMENT_SHIFT;
    let live = at + SEGMENT_WORDS - end;
    for (let place = at + FIRST_PLACE; place < at + SEGMENT_WORDS; place++) {
      const record = this.#words[place]!;
      if (record === 0) {
        continue;
      }
      live += place < end ? 1 : 0;
      this.#expect(`place ${place} is used, and the next free one is`, place < end ? end : place, end);
      this.#expect(`record ${record} is listed before`, this.#listed.has(record) ? 'yes' : 'no', 'no');
      this.#listed.add(record);
      const r = record << UNIT_SHIFT;
      this.#expect(`PLACE of record ${record}`, words[r + ConnWord.PLACE], place);
      this.#expect(`zone of record ${record}`, metaZone(words[r + ConnWord.META]!), zone);
    }
    this.#expect(`LIVE of segment ${segment}`, this.#words[at + SegmentWord.LIVE], live);
    this.#expect(`segment ${segment} is in a list without a live place`, live > 0 ? 'no' : 'yes', 'no');
  }

  /** The linked records and the listed ones are the same. */
  records(): void {
    const { table } = this.#tracker;
    const linked = new Set<number>();
    for (let bucket = 0; bucket < table.bucketCount; bucket++) {
      const block = table.blockOfBucket(bucket);
      for (let n = 0; n < BucketTable.slotsOf(block); n++) {
        const record = table.words[BucketTable.slotInBlock(block, n)]!;
        if (record !== 0) {
          linked.add(record);
        }
      }
    }
    for (const record of linked) {
      this.#expect(`linked record ${record} is listed`, this.#listed.has(record) ? 'yes' : 'no', 'yes');
    }
    this.#expect('listed records', this.#listed.size, linked.size);
  }

  /** The zones of all segments that the slab does not have. */
  zonesWithSegments(): Set<number> {
    const { zoneLists, participants } = this.#tracker;
    const zones = new Set<number>();
    const { firstSegment } = zoneLists.layout;
    for (let segment = firstSegment; segment < firstSegment + zoneLists.slab.unitsTaken; segment++) {
      if (!this.#segments.has(segment)) {
        const list = this.#words[(segment << SEGMENT_SHIFT) + SegmentWord.LIST]!;
        zones.add(Math.trunc(list / participants.maxParticipants));
      }
    }
    return zones;
  }

  /** Each segment that was ever allocated is somewhere. */
  segments(): void {
    this.#expect('segments accounted for', this.#segments.size, this.#tracker.zoneLists.slab.unitsTaken);
  }

  /** Notes the segments that the slab has. No participant is in the middle of a change. */
  slab(): void {
    const { participants, zoneLists } = this.#tracker;
    const { words } = participants;
    for (let id = 0; id < participants.maxParticipants; id++) {
      const base = participants.base + id * PARTICIPANT_WORDS;
      const { LIST_SEGMENT, LIST_PLACE, LIST_EMPTIED, LIST_UNLINKED } = ParticipantWord;
      for (const intent of [LIST_SEGMENT, LIST_PLACE, LIST_EMPTIED, LIST_UNLINKED]) {
        this.#expect(`intent ${intent} of participant ${id}`, words[base + intent], 0);
      }
      this.#expect(`mutex of participant ${id}`, this.#words[zoneLists.lockOf(id)], 0);
      const cache = base + ParticipantWord.CACHES + SEGMENT_CACHE * SLAB_CACHE_WORDS;
      this.#chain(words[cache + SlabLayout.FREE_HEAD]!, `free of ${id}`);
      this.#chain(words[cache + SlabLayout.RETIRED_HEAD]!, `retired by ${id}`);
      for (let fresh = words[cache + SlabLayout.FRESH_NEXT]!; fresh < words[cache + SlabLayout.FRESH_END]!; fresh++) {
        this.#note(fresh, `fresh of ${id}`);
      }
    }
    let batch = this.#words[zoneLists.layout.slab + SlabLayout.COMMON_HEAD]!;
    for (; batch !== 0; batch = this.#words[(batch << SEGMENT_SHIFT) + SegmentWord.LIST]!) {
      this.#chain(batch, 'common');
    }
  }

  /** Segments that the slab has, linked by PREVIOUS. */
  #chain(first: number, where: string): void {
    for (let segment = first; segment !== 0 && this.#note(segment, where); ) {
      const at = segment << SEGMENT_SHIFT;
      const used = this.#words.subarray(at + FIRST_PLACE, at + SEGMENT_WORDS).filter((record) => record !== 0).length;
      this.#expect(`used places of the ${where} segment ${segment}`, used, 0);
      segment = this.#words[at + SegmentWord.PREVIOUS]!;
    }
  }
}
