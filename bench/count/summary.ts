/** Adds up what was noted of the batches of a phase. */

import type { FieldCounts, PhaseCounts, StageCounts } from './count-options.ts';
import type { Batch, Recorder, Touch } from './recorder.ts';
import { JUDGE, type Stage, STAGES } from './stages.ts';

/** A line that at least one batch in so many touches is hot. */
export const HOT_SHARE = 8;

const READ = 1;
const WRITTEN = 2;
/** The bits of all stages of Touch.uses. */
const ANY_READ = 0b010101010101;

function byStage<Value>(make: (stage: Stage, index: number) => Value): Record<Stage, Value> {
  return Object.fromEntries(STAGES.map((stage, index) => [stage, make(stage, index)])) as Record<Stage, Value>;
}

/** How many batches touched each line. */
function batchesOf(batches: readonly Batch[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { touches } of batches) {
    for (const { line } of touches) {
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
  }
  return counts;
}

/** The misses of one batch that are left, by packet. */
class Misses {
  left = 0;
  beyondFirst = 0;
  readonly #packets = new Set<number>();

  add({ packet }: Touch): void {
    this.left++;
    if (this.#packets.has(packet)) {
      this.beyondFirst++;
    }
    this.#packets.add(packet);
  }
}

class FieldTable {
  readonly fields = new Map<string, FieldCounts>();

  add(name: string, touch: Touch, isHot: boolean): void {
    const counts = this.fields.get(name) ?? { read: 0, written: 0, hot: 0, first: byStage(() => 0) };
    this.fields.set(name, counts);
    counts.read += (touch.uses & ANY_READ) === 0 ? 0 : 1;
    counts.written += (touch.uses & (ANY_READ << 1)) === 0 ? 0 : 1;
    if (isHot) {
      counts.hot++;
    } else {
      counts.first[STAGES[touch.stage]!]++;
    }
  }
}

/** @param fieldOf the name of a line */
export function summaryOf(name: string, recorder: Recorder, fieldOf: (line: number) => string): PhaseCounts {
  const { batches } = recorder;
  const batchCounts = batchesOf(batches);
  const enough = batches.length / HOT_SHARE;
  const table = new FieldTable();
  let [missesLeft, missesBeyondFirst] = [0, 0];
  const places = new Map<string, number>();
  let before = new Set<number>();
  for (const { touches } of batches) {
    const misses = new Misses();
    for (const touch of touches) {
      const isHot = before.has(touch.line) || batchCounts.get(touch.line)! >= enough;
      table.add(fieldOf(touch.line), touch, isHot);
      if (!isHot && touch.stage >= JUDGE) {
        misses.add(touch);
        if (touch.place !== undefined) {
          const place = `${fieldOf(touch.line)}: ${touch.place}`;
          places.set(place, (places.get(place) ?? 0) + 1);
        }
      }
    }
    missesLeft += misses.left;
    missesBeyondFirst += misses.beyondFirst;
    before = new Set(touches.map(({ line }) => line));
  }
  const sorted = [...table.fields].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    name,
    packets: batches.reduce((sum, { packets }) => sum + packets, 0),
    batches: batches.length,
    stages: byStage((_, index) => stageOf(recorder, index)),
    fields: Object.fromEntries(sorted),
    missesLeft,
    missesBeyondFirst,
    ...(places.size === 0 ? {} : { places: Object.fromEntries([...places].toSorted(([, a], [, b]) => b - a)) }),
  };
}

function stageOf({ table, packets, batches }: Recorder, stage: number): StageCounts {
  const linesWith = (use: number) =>
    batches.reduce((sum, { touches }) => sum + touches.filter(({ uses }) => (uses >> (2 * stage)) & use).length, 0);
  return {
    table: table[stage]!,
    packets: packets[stage]!,
    linesRead: linesWith(READ),
    linesWritten: linesWith(WRITTEN),
  };
}
