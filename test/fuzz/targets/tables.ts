/**
 * Long-lived tables: the same packets again and again. After each round a flush or a sweep removes all connections. After the
 * third round a table and its helpers must not take more memory.
 */

import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Random } from '../random.ts';
import { type Corpus, loadCorpus } from '../corpus.ts';
import { type Sequence, sequence, type Step } from '../sequence.ts';
import { Subject, Surroundings } from '../subject.ts';
import { Finding, type Tally, type Target } from '../target.ts';
import { smaller } from './packets.ts';

interface TableInput {
  sequence: Sequence;
  /** How each round ends. */
  ends: ('flush' | 'expire')[];
}

const ROUNDS = 12;
const SETTLED_ROUNDS = 3;
/** A time longer than any timeout. */
const LONG_MS = 2 ** 31;
/** Randomly chosen ports may take other lines of the index. */
const SLACK_UNITS = 64;
const SLACK_LINES = 16;

let corpus: Corpus | undefined;
let memory: Surroundings | undefined;

function generate(random: Random): TableInput {
  const made = sequence(random, corpus!);
  const ends = Array.from({ length: ROUNDS }, () => random.pick(['flush', 'expire'] as const));
  return { sequence: { ...made, steps: forwards(made.steps.slice(0, 24)) }, ends };
}

/** The same steps with a clock that never runs backwards. After a leap back, connections would live longer by that leap. */
function forwards(steps: Step[]): Step[] {
  let latest = Number.NEGATIVE_INFINITY;
  return steps.map((step) => {
    if (!('nowMs' in step)) {
      return step;
    }
    latest = Math.max(latest, step.nowMs);
    return { ...step, nowMs: latest };
  });
}

function linesTaken(ct: Conntrack): number {
  return ct.buckets().reduce((sum, { lines }) => sum + lines, 0);
}

function run({ sequence: made, ends }: TableInput, tally: Tally): number {
  memory ??= new Surroundings('any');
  const subject = new Subject(made, { oneByOne: false, engine: 'ct-bucket' }, memory);
  const { ct } = subject;
  let settled: { units: number; lines: number } | undefined;
  for (const [round, end] of ends.entries()) {
    subject.run({ shiftMs: round * 4 * LONG_MS });
    if (end === 'flush') {
      ct.flush();
    } else {
      ct.sweep(subject.nowMs + LONG_MS);
    }
    if (ct.connCount !== 0) {
      throw new Finding(`round ${round + 1}: ${ct.connCount} connections are left after ${end}`);
    }
    const units = ct.tracker.slab.unitsTaken;
    const lines = linesTaken(ct);
    if (round === SETTLED_ROUNDS) {
      settled = { units, lines };
    } else if (settled !== undefined && units > settled.units + SLACK_UNITS) {
      throw new Finding(`round ${round + 1}: ${units} units of records are taken, ${settled.units} were before`);
    } else if (settled !== undefined && lines > settled.lines + SLACK_LINES) {
      throw new Finding(`round ${round + 1}: ${lines} lines of the index are taken, ${settled.lines} were before`);
    }
    tally.add(end);
  }
  return (subject.states.length >> 1) * ends.length;
}

export const tables: Target<TableInput> = {
  name: 'tables',
  about: 'long-lived tables: the same packets again and again, without more memory',
  weight: 1.5,
  prepare: async (options) => {
    corpus = await loadCorpus(options);
  },
  generate,
  run,
  shrink: function* ({ sequence: made, ends }) {
    for (const fewer of smaller(made)) {
      yield { sequence: fewer, ends };
    }
  },
};
