/**
 * The table of the engine `zones`: each zone is a bucket, with a lock, and a map (an index) that grows by itself. A packet's zone
 * chooses the map, and the whole hash its line. Readers take no lock.
 *
 *   zone        0         1         2                   65535
 *          +---------+---------+---------+-----------+---------+
 *          | block   | shared  | block   | shared .. | shared  |   directory words
 *          +----|----+----|----+----|----+-----------+----|----+
 *               v         v         v                     |
 *           2^k lines  one line  2^k lines                |
 *                         ^-------------------------------+
 *
 * A zone that never had a connection has no lines of its own: all these share one line, which stays empty. So an unused zone costs a
 * header and a directory word. A zone gets its first block with its first connection, under its lock, as any growth (openZone).
 *
 * Both directions of a connection have the same zone, translated or not. So one lock suffices for each.
 */

import { store } from '../../../shared/access.ts';
import { type Participant, ParticipantWord } from '../../../shared/memory/participant.ts';
import { metaZone } from '../../packet/key.ts';
import { blockBitsFor, MIN_BLOCK_BITS } from '../../table/bucket-layout.ts';
import { BucketTable, type BucketTableOptions } from '../../table/bucket-table.ts';
import { CheckedBucketTable } from '../../table/checked-table.ts';
import { blockBits, type LineArena, NO_BLOCK_BITS } from '../../table/line-arena.ts';
import type { Checks } from '../../table/reference-checks.ts';

/** The zone of packets whose action names none. Connections for which memory is committed beforehand are expected in it. */
const DEFAULT_ZONE = 0;

/** What the functions below need of a table. */
interface ZoneParts {
  readonly table: BucketTable;
  readonly arena: LineArena;
  readonly directories: number;
}

type Table = new (options: BucketTableOptions, checks: Checks) => BucketTable;

/** The class of a table in which the zone of a key is its bucket. @param Base the table of this process: checked or not */
function byZone(Base: Table): Table {
  return class extends Base {
    private readonly parts: ZoneParts;

    constructor(options: BucketTableOptions, checks: Checks) {
      super(options, checks);
      this.parts = { table: this, arena: options.arena, directories: options.directories };
    }

    override bucketOf(_hash: number, words: Int32Array, meta: number): number {
      return metaZone(words[meta]!);
    }

    override nextUsed(zone: number): number {
      return nextUsed(this.parts, zone);
    }

    override initialise(participant: Participant, expectedEntries: number): void {
      initialise(this.parts, participant, expectedEntries);
    }

    override placeAbsentLocked(zone: number, hash: number, record: number): boolean {
      return hasLines(this.parts, zone) && super.placeAbsentLocked(zone, hash, record);
    }

    override placeLocked(zone: number, hash: number, record: number, participant: Participant): boolean {
      return openZone(this.parts, zone, participant) && super.placeLocked(zone, hash, record, participant);
    }
  };
}

const ZoneTable = byZone(BucketTable);
const CheckedZoneTable = byZone(CheckedBucketTable);

/** @param checks undefined: the process is not checked */
export function zoneTable(options: BucketTableOptions, checks: Checks | undefined): BucketTable {
  return new (checks === undefined ? ZoneTable : CheckedZoneTable)(options, checks!);
}

/** Has a zone a block? For the holder of its lock. To others a hint: a zone keeps its first block, or a larger one. */
function hasLines({ table, directories }: ZoneParts, zone: number): boolean {
  return blockBits(table.words[directories + zone]!) !== NO_BLOCK_BITS;
}

function nextUsed(parts: ZoneParts, from: number): number {
  let zone = from;
  while (zone < parts.table.bucketCount && !hasLines(parts, zone)) {
    zone++;
  }
  return zone;
}

/** Lets all zones share one line, and gives the default zone a block for the expected entries. */
function initialise({ table, arena, directories }: ZoneParts, participant: Participant, expectedEntries: number): void {
  const { words } = table;
  words.fill(arena.allocate(participant, NO_BLOCK_BITS), directories, directories + table.bucketCount);
  if (expectedEntries > 0) {
    store(words, directories + DEFAULT_ZONE, arena.allocate(participant, blockBitsFor(expectedEntries)));
  }
  participant.words[participant.base + ParticipantWord.GROW_NEW] = 0;
}

/**
 * Gives a zone its first block, unless it has one. The caller holds the zone's lock. A repair finishes or undoes it like a growth
 * (bucket-repair.ts); the shared line is not retired.
 * @returns false: no memory is left
 */
function openZone(parts: ZoneParts, zone: number, participant: Participant): boolean {
  if (hasLines(parts, zone)) {
    return true;
  }
  const { table, arena, directories } = parts;
  const { words, base } = participant;
  words[base + ParticipantWord.GROW_BUCKET] = zone;
  words[base + ParticipantWord.GROW_OLD] = table.words[directories + zone]!;
  const block = arena.allocate(participant, MIN_BLOCK_BITS);
  if (block === 0) {
    return false;
  }
  store(table.words, directories + zone, block);
  words[base + ParticipantWord.GROW_NEW] = 0;
  return true;
}
