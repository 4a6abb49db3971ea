/**
 * One thread's access to the table: its participant slot, and its view of the shared memory (epochs, records, index). Code that
 * finds, counts or lists connections needs no more. tracker.ts adds the rest.
 *
 *   open     enter ... quiesce ... leave     the thread may hold references between enter and leave
 *   closed   every operation throws
 */

import { store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { CheckedEpochs, CheckedSlab } from '../../shared/checked/checked-memory.ts';
import { countersOf } from '../../shared/memory/counters.ts';
import { Epochs } from '../../shared/memory/epoch.ts';
import { ErrorCode } from '../../shared/error-codes.ts';
import {
  adoptParticipant,
  claimParticipant,
  NO_THREAD,
  participantAt,
  releaseParticipant,
} from '../../shared/memory/participant-slots.ts';
import { ParticipantWord, type Participant, type ParticipantRegion } from '../../shared/memory/participant.ts';
import { Slab } from '../../shared/memory/slab.ts';
import { Checks } from '../table/reference-checks.ts';
import { UsageError } from '../errors.ts';
import { withWholeArrays } from './large-arrays.ts';
import type { TrackerMemory } from './memory.ts';
import { type MemoryLayout, memoryLayout } from './memory-layout.ts';
import { engineKind } from '../engines/registry.ts';
import type { BucketTable } from '../table/bucket-table.ts';
import { CheckedLineArena, hashedTable } from '../table/checked-table.ts';
import { ConnWord, UNIT_WORDS } from '../table/conn.ts';
import { LineArena } from '../table/line-arena.ts';
import { ZoneLists } from '../zones/zone-lists.ts';
import { zoneListsLayout } from '../zones/zone-lists-layout.ts';
import { TableQuota } from './table-quota.ts';
import { markThread } from '../repair/thread-mark.ts';

/** A participant slot that is kept for the calling thread: a reserved one, or that of a dead thread after its repair. */
export interface KeptSlot {
  participant: number;
  /** The token from the report of the repair, or from the thread that reserved the slot. */
  token: number;
}

export class TableHandle {
  readonly memory: TrackerMemory;
  readonly layout: MemoryLayout;
  /** The shared memory (memory.ts). */
  readonly words: Words;
  readonly participants: ParticipantRegion;
  /** The calling thread's own. */
  readonly participant: Participant;
  /** Only in a checked process. */
  readonly checks: Checks | undefined;
  readonly epochs: Epochs;
  readonly slab: Slab;
  readonly arena: LineArena;
  readonly table: BucketTable;
  readonly quota: TableQuota;
  /** The connections of each zone. */
  readonly zoneLists: ZoneLists;
  /** The calling thread's own. */
  readonly counters: Float64Array;
  /** Word index of the settings (SettingWord). */
  readonly settings: number;
  /** The handle is closed: another thread may own the participant slot by now. */
  isClosed = false;

  /**
   * Maps the memory of a table for the calling thread and claims a participant slot.
   * @param slot the slot to take over instead of claiming one (adoptParticipant); or the number of a dead participant
   *   to repair, which keeps its slot
   * @throws RangeError when all maxParticipants slots are claimed, or the slot is not kept for this token
   */
  constructor(given: TrackerMemory, slot?: KeptSlot | number) {
    const memory = withWholeArrays(given);
    const { words, maxParticipants } = memory;
    const layout = memoryLayout(memory);
    const participants: ParticipantRegion = {
      words,
      base: layout.participants,
      maxParticipants,
      profile: memory.profile,
    };
    this.memory = memory;
    this.layout = layout;
    this.words = words;
    this.participants = participants;
    this.participant = takeSlot(participants, slot);
    const checks = Checks.of(memory, layout, participants, this.participant);
    this.checks = checks;
    this.epochs =
      checks === undefined
        ? new Epochs(words, layout.epochs, participants)
        : new CheckedEpochs(words, layout.epochs, participants, checks.readers, () => checks.quiescent());
    this.slab = slabOf(words, layout, checks);
    this.arena = arenaOf(words, layout, checks);
    const table = {
      bucketBits: memory.bucketBits,
      words,
      base: layout.buckets,
      directories: layout.directories,
      arena: this.arena,
      epochs: this.epochs,
    };
    const { tableOf = hashedTable } = engineKind(memory.engine);
    this.table = tableOf(table, checks);
    this.quota = new TableQuota(words, maxParticipants, layout.quota);
    this.zoneLists = new ZoneLists({
      words: memory.zoneLists,
      layout: zoneListsLayout(memory),
      records: words,
      maxParticipants,
      epochs: this.epochs,
    });
    this.counters = countersOf(participants, this.participant.id);
    this.settings = layout.settings;
  }

  /** The calling thread may hold references into the table from here on. */
  enter(): void {
    this.assertOpen();
    this.epochs.enter(this.participant);
  }

  /**
   * The calling thread holds no reference now. Frees memory that it retired, once no reader can see it. A segment of the zone lists is
   * retired right before the last record in it: so while segments wait, that record waits too.
   */
  quiesce(): void {
    this.assertOpen();
    this.epochs.quiesce(this.participant);
    if (this.slab.retiredCount(this.participant) > 0 || this.arena.retiredCount(this.participant) > 0) {
      this.reclaim();
    }
  }

  /** Frees the memory that this thread retired and that no reader can see any more. */
  reclaim(): void {
    this.assertOpen();
    const oldest = this.epochs.advance();
    this.slab.reclaim(this.participant, oldest);
    this.arena.reclaim(this.participant, oldest);
    this.zoneLists.reclaim(this.participant, oldest);
  }

  /** The calling thread holds no reference, and will hold none until it enters again. */
  leave(): void {
    this.assertOpen();
    this.epochs.leave(this.participant);
  }

  /** @throws UsageError when the handle is closed */
  assertOpen(): void {
    if (this.isClosed) {
      throw closedError();
    }
  }

  /**
   * Releases the participant slot. The handle must not be used afterwards.
   * @param keepsSlot the slot stays claimed for the thread that reserved it
   */
  close(keepsSlot = false): void {
    this.leave();
    this.reclaim();
    this.quota.pools.returnAll(this.quota.pool, this.participant);
    this.isClosed = true;
    if (keepsSlot) {
      store(this.words, this.participant.base + ParticipantWord.THREAD, NO_THREAD);
    } else {
      releaseParticipant(this.participant);
    }
  }
}

function closedError(): UsageError {
  return new UsageError('this handle is closed: attach to the memory of the table to get another one', {
    code: ErrorCode.CLOSED,
  });
}

function takeSlot(participants: ParticipantRegion, slot: KeptSlot | number | undefined): Participant {
  if (typeof slot === 'number') {
    const dead = participantAt(participants, slot);
    dead.wakeUp();
    return dead;
  }
  const own =
    slot === undefined ? claimParticipant(participants) : adoptParticipant(participants, slot.participant, slot.token);
  markThread(own);
  return own;
}

function slabOf(words: Words, layout: MemoryLayout, checks: Checks | undefined): Slab {
  const slab = {
    words,
    base: layout.slab,
    records: words,
    unitWords: UNIT_WORDS,
    firstUnit: layout.records / UNIT_WORDS,
    endUnit: layout.end / UNIT_WORDS,
    linkWord: ConnWord.LINK,
    tagWord: ConnWord.TAG,
  };
  return checks === undefined ? new Slab(slab) : new CheckedSlab(slab, checks.records);
}

function arenaOf(words: Words, layout: MemoryLayout, checks: Checks | undefined): LineArena {
  const arena = {
    words,
    base: layout.arena,
    links: layout.arenaLinks,
    firstLine: layout.lines / LINE_WORDS,
    endLine: layout.lines / LINE_WORDS + layout.lineCount,
  };
  return checks === undefined ? new LineArena(arena) : new CheckedLineArena(arena, checks);
}
