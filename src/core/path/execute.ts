/**
 * conntrackExecute: a batch of packets goes through the tracker.
 *
 * The batch goes in stages, so that the cache misses of its packets overlap:
 *
 *   1. parse all packets to keys, hash the keys                       stage-parse.ts
 *   2. touch their index lines                                        stage-prefetch.ts
 *   3. search the lines, touch the records that they name             stage-prefetch.ts
 *   4. one packet after another: confirm the hint, update the         stage-judge.ts (lookup, update-conn, create),
 *      connection or create one, write the verdict                    stage-verdict.ts
 *
 * later-pass.ts handles packets that remember their connection, and datagrams put together from fragments.
 *
 * Stages 1 to 3 read words that other threads may change, so their results are hints. Stage 4 checks each hint: the
 * record may have been unlinked or declared dead, or an earlier packet of the batch may have created the connection. So
 * the result is as if the packets had come one by one.
 *
 * This code allocates nothing, and no packet makes it throw. The caller checks the arguments (Conntrack.execute).
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import { peek } from '../../shared/access.ts';
import { ParticipantWord } from '../../shared/memory/participant.ts';
import type { CtAction } from '../action.ts';
import { updateClock } from '../expiry/clock.ts';
import { Counter } from '../counters.ts';
import { finishFragments, hasFragmentWork, takeFragments } from '../fragments/fragments.ts';
import { FragmentsWord } from '../fragments/region.ts';
import { judgeBatch } from './judge-batch.ts';
import { MAX_BATCH, type PacketBatch } from '../packet/batch.ts';
import { packetModuleOf } from './packet-module.ts';
import { judgeFragment, parseAndHash } from './stage-parse.ts';
import type { Tracker } from '../tracker.ts';

/**
 * Sends a batch through the tracker, and writes the verdicts (state, zone, mark, label, original tuple) beside the
 * packets. The caller has entered an epoch (`tracker.enter()`). The end of the batch is a quiescent point.
 *
 * @param nowMs the time in ms, of any origin. It may run backwards by a few minutes at most
 */
export function conntrackExecute(tracker: Tracker, batch: PacketBatch, action: CtAction, nowMs: number): void {
  let count = batch.count;
  if (count > MAX_BATCH) {
    executeInParts(tracker, batch, action, nowMs);
    return;
  }
  tracker.counters[Counter.packets]! += count;
  const now = updateClock(tracker, nowMs);
  const serial = tracker.participant.base + ParticipantWord.BATCH;
  tracker.words[serial] = tracker.words[serial]! + 1;
  let module = tracker.packetModule;
  if (module === undefined) {
    module = packetModuleOf(tracker);
    tracker.packetModule = module;
  }
  if (module !== null && !module.takes(batch, action, count)) {
    module = null;
  }
  let fragments =
    (module === null ? parseAndHash(tracker, batch, action, count) : module.parseAndHash(batch, action, count)) | 0;
  if (fragments > 0 && module?.isStaged === true) {
    module = null;
    fragments = parseAndHash(tracker, batch, action, count) | 0;
  }
  if (fragments > 0) {
    count = takeFragments(tracker.fragments, batch, count, action, now, judgeFragment, tracker) | 0;
  }
  if (module === null) {
    judgeBatch(tracker, batch, action, count, now);
  } else {
    module.judgeBatch(batch, action, count, now);
  }
  if (
    fragments > 0 ||
    (peek(tracker.fragments.words, FragmentsWord.LISTS) !== 0 && hasFragmentWork(tracker.fragments, now))
  ) {
    finishFragments(tracker.fragments, batch, count, fragments > 0, action.zone, now);
  }
  tracker.counters[Counter.batches]!++;
  tracker.quiesce();
}

/** A batch may hold more than MAX_BATCH packets after fragments came back. It then goes through in parts. */
function executeInParts(tracker: Tracker, batch: PacketBatch, action: CtAction, nowMs: number): void {
  const { slots } = batch;
  const { inputs, returned } = tracker.fragments;
  const count = Math.min(batch.count, slots.length);
  copyWords(slots, 0, inputs, 0, count);
  let done = 0;
  for (let from = 0; from < count; from += MAX_BATCH) {
    const part = Math.min(MAX_BATCH, count - from);
    copyWords(inputs, from, slots, 0, part);
    batch.count = part;
    /* Leave space for the packets of the parts that follow. */
    tracker.fragments.returnLimit = slots.length - done - (count - from - part);
    conntrackExecute(tracker, batch, action, nowMs);
    copyWords(slots, 0, returned, done, batch.count);
    done += batch.count;
  }
  tracker.fragments.returnLimit = slots.length;
  copyWords(returned, 0, slots, 0, done);
  batch.count = done;
}
