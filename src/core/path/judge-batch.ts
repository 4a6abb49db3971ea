/** Stages 2 to 4 for a parsed batch: its index lines and records are touched, then its packets are judged one after another. */

import { ParticipantWord } from '../../shared/memory/participant.ts';
import type { CtAction } from '../action.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { PARSED_WORDS, ParsedKind, ParsedWord } from '../packet/key.ts';
import type { Tracker } from '../tracker.ts';
import { processRemembered, processWhole } from './later-pass.ts';
import { judgePacket } from './stage-judge.ts';
import { touchLines, touchRecords } from './stage-prefetch.ts';
import { rejectPacket } from './stage-verdict.ts';

/** @param count packets of the batch; their keys stand in scratch memory */
export function judgeBatch(tracker: Tracker, batch: PacketBatch, action: CtAction, count: number, now: number): void {
  const { words, slots } = batch;
  const { parsed } = tracker.scratch;
  touchLines(tracker, count);
  const missing = touchRecords(tracker, action, count) | 0;
  const prefetched =
    missing > 1 ? tracker.quota.pools.prefetchCredits(tracker.quota.pool, missing, tracker.participant) | 0 : 0;
  for (let i = 0; i < count; i++) {
    const at = i * PARSED_WORDS;
    const kind = parsed[at + ParsedWord.KIND]!;
    const slot = slots[i]!;
    if (kind === ParsedKind.KEYED) {
      judgePacket(tracker, words, slot, at, action, now);
    } else if (kind === ParsedKind.INVALID) {
      rejectPacket(tracker, words, slot, at, action);
    } else if (kind === ParsedKind.REMEMBERED) {
      processRemembered(tracker, words, slot, at, action, now);
    } else {
      processWhole(tracker, at, action, now);
    }
  }
  if (prefetched > 0) {
    const { participant } = tracker;
    const left = tracker.words[participant.base + ParticipantWord.PREFETCHED_CREDITS]!;
    tracker.quota.pools.releasePrefetched(tracker.quota.pool, left, participant);
  }
}
