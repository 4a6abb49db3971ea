/** The accounting of a sample: every packet and every connection must be accounted for. */

export interface Accounting {
  /** Packets of the threads, in the measurement. */
  offered: number;
  judged: number;
  dropped: number;
  /** Packets that the threads sent through the table, from its beginning. */
  sent: number;
  /** The table's counters, from its beginning. */
  packets: number;
  verdicts: number;
  invalid: number;
  created: number;
  removed: number;
  live: number;
  /** Flows that the threads opened before the load. */
  opened: number;
}

/** @returns the first error; undefined if all is right */
export function accountingError(accounting: Accounting): string | undefined {
  const { offered, judged, dropped, sent, packets, verdicts, invalid, created, removed, live, opened } = accounting;
  if (offered !== judged + dropped) {
    return `${offered} packets were offered, but ${judged} judged and ${dropped} dropped`;
  }
  if (packets !== sent || verdicts !== sent) {
    return `${sent} packets were sent, but the table counted ${packets} packets and ${verdicts} verdicts`;
  }
  if (invalid !== 0) {
    return `${invalid} packets were judged invalid`;
  }
  if (created !== live + removed) {
    return `${created} connections were created, but ${live} live and ${removed} were removed`;
  }
  return created < opened ? `${opened} flows were opened, but only ${created} connections created` : undefined;
}
