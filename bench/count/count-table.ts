/** Counts as tables, and as rows of CSV. All figures are of one packet. */

import Table from 'cli-table3';
import { nameOfWork } from './cases.ts';
import type { FieldCounts, PhaseCounts, StageCounts } from './count-options.ts';
import type { PhaseResultOfCount, ResultOfCount } from './run.ts';
import { JUDGE, STAGE_TITLES, STAGES } from './stages.ts';

const COLUMNS: readonly [title: string, of: (stage: StageCounts) => number][] = [
  ['load', ({ table }) => table.load],
  ['store', ({ table }) => table.store],
  ['cmpxchg', ({ table }) => table.compareExchange],
  ['xchg', ({ table }) => table.exchange],
  ['add, or', ({ table }) => table.add + table.or],
  ['peek', ({ table }) => table.peek],
  ['poke', ({ table }) => table.poke],
  ['read', ({ table }) => table.read],
  ['write', ({ table }) => table.write],
  ['lines read', ({ linesRead }) => linesRead],
  ['written', ({ linesWritten }) => linesWritten],
  ['packet read', ({ packets }) => packets.read + packets.peek],
  ['write', ({ packets }) => packets.write + packets.poke],
];

function figure(count: number, packets: number): string {
  const each = count / packets;
  return each === 0 ? '' : each < 0.001 ? '<0.001' : String(Number(each.toFixed(3)));
}

function tableWith(head: readonly string[]): Table.Table {
  return new Table({
    head: [...head],
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
  });
}

function stageTable({ packets, stages }: PhaseCounts): string {
  const table = tableWith(['stage', ...COLUMNS.map(([title]) => title)]);
  for (const stage of STAGES) {
    table.push([STAGE_TITLES[stage], ...COLUMNS.map(([, of]) => figure(of(stages[stage]), packets))]);
  }
  const all = COLUMNS.map(([, of]) => Object.values(stages).reduce((sum, stage) => sum + of(stage), 0));
  table.push(['all', ...all.map((count) => figure(count, packets))]);
  return table.toString();
}

function leftOf({ first }: FieldCounts): number {
  return STAGES.slice(JUDGE).reduce((sum, stage) => sum + first[stage], 0);
}

function aheadOf({ first }: FieldCounts): number {
  return STAGES.slice(0, JUDGE).reduce((sum, stage) => sum + first[stage], 0);
}

function fieldTable({ packets, fields }: PhaseCounts): string {
  const table = tableWith(['lines of', 'read', 'written', 'hot', 'touched ahead', 'left']);
  const isHot = (field: FieldCounts) => leftOf(field) + aheadOf(field) === 0;
  const all = Object.entries(fields);
  for (const [name, field] of all.filter(([, each]) => !isHot(each))) {
    const counts = [field.read, field.written, field.hot, aheadOf(field), leftOf(field)];
    table.push([name, ...counts.map((count) => figure(count, packets))]);
  }
  const hot = all.filter(([, each]) => isHot(each)).map(([name]) => name);
  return `${table.toString()}\nAlways hot: ${hot.join(', ')}.`;
}

/** The most frequent places of the lines that are left. */
const PLACES_SHOWN = 8;

function placesTable({ packets, places }: PhaseCounts): string[] {
  if (places === undefined) {
    return [];
  }
  const table = tableWith(['left, by the code that touches the line first', 'lines']);
  for (const [place, count] of Object.entries(places).slice(0, PLACES_SHOWN)) {
    table.push([place, figure(count, packets)]);
  }
  return [table.toString()];
}

function sentencesOf({ counts, bytes, instructions }: PhaseResultOfCount): string {
  const { packets, missesLeft, missesBeyondFirst } = counts;
  const left = `Misses left: ${(missesLeft / packets).toFixed(4)} a packet, ${(missesBeyondFirst / packets).toFixed(4)} beyond the first of its packet.`;
  return [
    left,
    `Allocated: ${bytes} bytes.`,
    ...(instructions === undefined ? [] : [`Instructions: ${instructions.toFixed(1)} a packet.`]),
  ].join(' ');
}

export function printCounts(results: readonly ResultOfCount[]): void {
  for (const { work, phases } of results) {
    for (const phase of phases) {
      const { name, packets, batches } = phase.counts;
      console.log(`\n${nameOfWork(work)}: ${name}, ${packets} packets in ${batches} batches. Figures of one packet:`);
      const { counts } = phase;
      console.log([stageTable(counts), fieldTable(counts), ...placesTable(counts), sentencesOf(phase)].join('\n'));
    }
  }
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A row for each counter: the work, the phase, the counter, its sum, and the packets. */
export function countsCsv(results: readonly ResultOfCount[]): string {
  const rows = results.flatMap(({ work, phases }) =>
    phases.flatMap(({ counts: { name, packets }, gate, instructions }) =>
      Object.entries({ ...gate, ...(instructions === undefined ? {} : { instructions: instructions * packets }) }).map(
        ([counter, count]) => [nameOfWork(work), name, counter, count, packets],
      ),
    ),
  );
  return [['work', 'phase', 'counter', 'count', 'packets'], ...rows]
    .map((row) => `${row.map(cell).join(',')}\n`)
    .join('');
}
