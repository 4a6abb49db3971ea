/** The moment in which a connection begins to count. */

import { EventIntent, CreditWord, IntentKind, ParticipantWord } from '../../shared/memory/participant.ts';
import { Counter } from '../counters.ts';
import type { Tracker } from '../tracker.ts';

/**
 * The record in hand has been linked; its bucket's lock is still held. From here on record and room are the connection's, and it
 * is counted: all in one step, so that whoever repairs after this thread finds either nothing of it or all (participant.ts).
 */
export function noteLinked(tracker: Tracker): void {
  const { words, counters } = tracker;
  const { base } = tracker.participant;
  const { linkedIntent } = tracker.expiry;
  counters[Counter.created]!++;
  if (linkedIntent !== 0) {
    words[linkedIntent] = words[base + ParticipantWord.RECORD_IN_FLIGHT]! >>> 1;
  }
  words[base + ParticipantWord.RECORD_IN_FLIGHT] = 0;
  words[base + ParticipantWord.QUOTA_CREDIT + CreditWord.UNITS] = 0;
  words[base + ParticipantWord.ZONE_CREDIT + CreditWord.UNITS] = 0;
  words[base + ParticipantWord.INTENT_KIND] = IntentKind.none;
  if (words[base + ParticipantWord.EVENT] === EventIntent.created) {
    words[base + ParticipantWord.EVENT] = EventIntent.due;
  }
}
