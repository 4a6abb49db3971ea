/** The totals that `replay` and `run` print at their end. */

import type { Counters } from '../../core/counters.ts';
import type { FragmentStatus } from '../../core/fragments/settings.ts';
import { counted } from '../../host/terminal.ts';
import type { Datapath } from '../../workers/datapath/datapath.ts';
import type { CaptureNotes } from '../capture/open-capture.ts';
import { cutLine } from '../capture/notes.ts';

export interface Summary {
  file: string;
  packets: number;
  threads: number;
  verdicts: Record<string, number>;
  connections: number;
  counters: Counters;
  fragments: FragmentStatus;
  pmds: { packets: number; batches: number }[];
  /** Packets that the capture holds only in part. */
  cutPackets: number;
  /** Packets of link types that cannot be tracked. */
  skippedPackets: number;
  error?: string;
}

/** The inputs of the totals, beside the stopped datapath. */
export interface SummarySource {
  file: string;
  packets: number;
  threads: number;
  verdicts: Record<string, number>;
  notes: CaptureNotes;
  failure: Error | undefined;
}

export function summaryOf(datapath: Datapath, source: SummarySource): Summary {
  const { conntrack } = datapath;
  const { file, packets, threads, verdicts, notes, failure } = source;
  return {
    file,
    packets,
    threads,
    verdicts,
    connections: conntrack.connCount,
    counters: conntrack.counters(),
    fragments: conntrack.fragments.status(),
    pmds: datapath.pmdCounters().map((pmd) => ({ packets: pmd.packets, batches: pmd.batches })),
    cutPackets: notes.cutPackets,
    skippedPackets: notes.skippedPackets,
    ...(failure === undefined ? {} : { error: failure.message }),
  };
}

/** Plain words for counters with names that sound like faults. */
const COUNTER_WORDS: Record<string, string> = {
  /* Another thread, or an earlier packet of the batch, had just created the connection. */
  clash: 'found just created',
  staleSkipped: 'stale ones passed over',
};

export function printSummary(summary: Summary): void {
  const { packets: all, connections } = summary;
  console.log(`${summary.file}: ${counted(all, 'packet')}, ${counted(connections, 'connection')} at the end`);
  const verdicts = Object.entries(summary.verdicts).toSorted(([, a], [, b]) => b - a);
  for (const [verdict, count] of verdicts) {
    console.log(`  ${verdict.padEnd(20)} ${String(count).padStart(10)}`);
  }
  if (summary.cutPackets > 0) {
    console.log(`  ${cutLine(summary)}`);
  }
  summary.pmds.forEach(({ packets, batches }, index) => {
    console.log(`  PMD ${index}: ${counted(packets, 'packet')} in ${batches} ${batches === 1 ? 'batch' : 'batches'}`);
  });
  const { v4, v6 } = summary.fragments;
  if (v4.accepted + v6.accepted > 0) {
    console.log(
      `  fragments: ${v4.accepted + v6.accepted} held, ${v4.completedSent + v6.completedSent} sent on complete`,
    );
  }
  const counters = Object.entries(summary.counters).filter(([, count]) => count > 0);
  if (counters.length === 0) {
    return;
  }
  console.log(`  counters: ${counters.map(([name, count]) => `${COUNTER_WORDS[name] ?? name} ${count}`).join(', ')}`);
}
