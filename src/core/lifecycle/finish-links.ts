/** The moment from which a connection counts. */

import { EventIntent, CreditWord, IntentKind, ParticipantWord } from '../../shared/memory/participant.ts';
import { Counter } from '../counters.ts';
import type { Tracker } from '../tracker.ts';

/**
 * Counts the record in flight, which has just been linked; its bucket's lock is still held. From here on the record and
 * its quota belong to the connection. All stores are one step, so a repair finds either none or all of them
 * (participant.ts).
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
