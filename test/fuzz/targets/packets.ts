/**
 * Sequences of packets. Each sequence runs on up to four tables, which must agree.
 *
 *   first       the batches of the sequence, with zeros around the packets
 *   disturbed   the same with other bytes around the packets, and without the packet module: every word of the table must be the
 *               same
 *   one by one  each packet in a batch of its own: the verdicts must be the same
 *   other       another engine, which removes expired entries as late as the first one
 */

import { accountingFaults } from '../../support/accounting-faults.ts';
import { CtState } from '../../../src/core/packet/layout.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { memoryLayout } from '../../../src/core/memory/memory-layout.ts';
import { UNIT_WORDS } from '../../../src/core/table/conn.ts';
import { type Corpus, loadCorpus } from '../corpus.ts';
import { type Sequence, sequence } from '../sequence.ts';
import { Subject, type SubjectOptions, Surroundings } from '../subject.ts';
import { Finding, type Tally, type Target, withoutParts } from '../target.ts';

let corpus: Corpus | undefined;
let memories: Record<'first' | 'disturbed' | 'oneByOne' | 'other', Surroundings> | undefined;

/**
 * Whether a sequence must give the same results if each packet is a batch of its own. It need not if packets pass more than once:
 * the second pass of one would come before the first pass of another. It need not with fragments: a complete datagram goes on at
 * the end of the batch. It need not if packets remove expired entries: an entry releases its quota only after the batch.
 */
function isSameOneByOne({ steps, reassembles, options }: Sequence): boolean {
  const isSinglePass = steps.every((step) => step.op !== 'batch' || step.actions.length === 1);
  return isSinglePass && !reassembles && options.tableFull === 'refuse' && options.reclaim === 'sweep';
}

/** If the clock runs backwards by less than this (about 17 minutes), the engines must agree. */
const MAX_BACKWARDS_MS = 2 ** 20;

/**
 * Engines with expiration lists sweep each list from its front. After a change of timeouts, a connection may expire behind others
 * in its list. It then stays longer, and uses quota that new connections need.
 */
function changesTimeouts({ steps }: Sequence): boolean {
  return steps.some(({ op }) => op === 'timeouts');
}

/** Engines remove different connections if the clock leaps far back. */
function leapsBack({ steps }: Sequence): boolean {
  let latest = Number.NEGATIVE_INFINITY;
  return steps.some((step) => {
    const nowMs = 'nowMs' in step ? step.nowMs : latest;
    latest = Math.max(latest, nowMs);
    return nowMs < latest - MAX_BACKWARDS_MS;
  });
}

/** The first difference between the tables of two subjects, word for word, their epochs included. */
function tableDifference(a: Subject, b: Subject): string | undefined {
  const layout = memoryLayout(a.ct.memory);
  const [epochA, epochB] = [a, b].map(({ ct }) => ct.tracker.words[layout.epochs]);
  if (epochA !== epochB) {
    return `the epochs are ${epochA} and ${epochB}`;
  }
  const taken = a.ct.tracker.slab.unitsTaken;
  if (taken !== b.ct.tracker.slab.unitsTaken) {
    return `${taken} and ${b.ct.tracker.slab.unitsTaken} units of memory taken`;
  }
  const ranges = {
    counts: [layout.settings, layout.zones],
    index: [layout.lines, layout.lines + 16 * Math.min(layout.lineCount, 4096)],
    records: [layout.records, layout.records + UNIT_WORDS * taken],
  } as const;
  for (const [what, [from, to]] of Object.entries(ranges)) {
    const [one, other] = [a, b].map(({ ct }) => {
      const { words } = ct.tracker;
      return Buffer.from(words.buffer, words.byteOffset + from * 4, (to - from) * 4);
    });
    if (Buffer.compare(one!, other!) !== 0) {
      const word = one!.findIndex((byte, i) => byte !== other![i]) >> 2;
      const values = [one!, other!].map((bytes) => bytes.readInt32LE(word * 4)).join(' and ');
      return `word ${word} of the ${what} is ${values}`;
    }
  }
  return undefined;
}

function expectSame(a: Subject, b: Subject, what: string): void {
  for (let i = 0; i < a.states.length; i++) {
    if (a.hashes[i] !== b.hashes[i] || a.states[i] !== b.states[i]) {
      const [one, other] = [a, b].map(({ states }) => (states[i] === -1 ? 'held' : stateText(states[i]!)));
      throw new Finding(`${what}: packet ${(i >> 1) + 1}, pass ${(i & 1) + 1}: ${one}, and ${other}`);
    }
  }
}

function expectSameDump(a: readonly string[], b: readonly string[], what: string): void {
  const i = a.findIndex((line, index) => line !== b[index]);
  if (i >= 0 || a.length !== b.length) {
    const at = i < 0 ? a.length : i;
    throw new Finding(`${what}: connections differ: ${a[at] ?? 'none'}\nand ${b[at] ?? 'none'}`);
  }
}

function expectAccounting(subject: Subject, what: string): void {
  const faults = accountingFaults(subject.ct, subject.nowMs, { anyTranslations: true });
  if (faults.length > 0) {
    throw new Finding(`${what}: ${faults[0]}`);
  }
  const { nfrag, nfragMax } = subject.ct.fragments.status();
  if (nfrag < 0 || nfrag > Math.max(nfragMax, 5000)) {
    throw new Finding(`${what}: ${nfrag} fragments are held`);
  }
}

/** @throws Finding unless a flush removes all connections, entries and expectations */
function expectEmptiable({ ct }: Subject, what: string): void {
  ct.flush();
  const entries = ct.buckets().reduce((sum, bucket) => sum + bucket.entries, 0);
  const expected = ct.dumpExpectations().length;
  if (ct.connCount !== 0 || entries !== 0 || expected !== 0) {
    throw new Finding(
      `${what}: after a flush ${ct.connCount} connections, ${entries} entries, ${expected} expectations`,
    );
  }
}

/**
 * Whether two connections ever had the same tuple. As in Open vSwitch, a packet can open a connection between the original ends
 * of a translated one. A later packet finds the one of the two that comes first in the index.
 */
function isAmbiguous(input: Sequence): boolean {
  const subject = new Subject(input, { oneByOne: false, engine: 'ct-bucket' }, memory('first'));
  let isTwice = false;
  subject.run({
    afterStep: () => {
      isTwice ||= accountingFaults(subject.ct, subject.nowMs).some((fault) => fault.endsWith('is there twice'));
    },
  });
  return isTwice;
}

/** @throws Finding unless two tables agree, or a tuple is ambiguous */
function expectAgreement(
  first: Subject,
  other: Subject,
  input: Sequence,
  options: { what: string; dump: string[] },
): void {
  try {
    expectSame(first, other, options.what);
    expectSameDump(options.dump, other.dump(), options.what);
  } catch (error) {
    if (!(error instanceof Finding) || !isAmbiguous(input)) {
      throw error;
    }
  }
}

function tallyStates(subject: Subject, tally: Tally): void {
  const byState = new Uint32Array(256);
  let held = 0;
  for (let i = 0; i < subject.states.length; i += 2) {
    if (subject.states[i] === -1) {
      held++;
    } else {
      byState[subject.states[i]!]!++;
    }
  }
  byState.forEach((count, state) => {
    if (count > 0) {
      tally.add((state & CtState.INV) !== 0 ? 'inv|trk' : stateText(state), count);
    }
  });
  tally.add('held', held);
  tally.add('resized', subject.resized);
}

function memory(name: keyof NonNullable<typeof memories>): Surroundings {
  memories ??= {
    first: new Surroundings(0),
    disturbed: new Surroundings('any'),
    oneByOne: new Surroundings(0xff),
    other: new Surroundings(0),
  };
  return memories[name];
}

function done(input: Sequence, options: Partial<SubjectOptions>, name: Parameters<typeof memory>[0]): Subject {
  const subject = new Subject(input, { oneByOne: false, engine: 'ct-bucket', ...options }, memory(name));
  subject.run();
  return subject;
}

/** Runs the sequence on the first table and on the disturbed one, and compares them. @returns the first one */
function runDisturbed(input: Sequence, tally: Tally): Subject {
  const first = done(input, { checksFrames: true }, 'first');
  tallyStates(first, tally);
  const disturbed = done(input, { inJavaScript: true }, 'disturbed');
  expectSame(first, disturbed, 'other bytes around the packets');
  const difference = tableDifference(first, disturbed);
  if (difference !== undefined) {
    throw new Finding(`other bytes around the packets: ${difference}`);
  }
  return first;
}

/** Runs a sequence only on the first table and on the disturbed one. */
export function runPlain(input: Sequence, tally: Tally): number {
  const first = runDisturbed(input, tally);
  expectEmptiable(first, 'ct-bucket');
  return first.states.length >> 1;
}

function run(input: Sequence, tally: Tally): number {
  const { reclaim, tableFull } = input.options;
  const first = runDisturbed(input, tally);
  const packets = first.states.length >> 1;
  const dump = first.dump();
  expectAccounting(first, 'accounting');
  /* The number of new connections in a batch decides which connection is evicted. In another engine its index decides. */
  if (isSameOneByOne(input)) {
    const oneByOne = done(input, { oneByOne: true }, 'oneByOne');
    expectAgreement(first, oneByOne, input, { what: 'in batches and one by one', dump });
    tally.add('one by one', packets);
  }
  if (reclaim === 'sweep' && tableFull === 'refuse' && !leapsBack(input) && !changesTimeouts(input)) {
    const engine = (['baseline', 'ct-scale', 'wheel', 'zones', 'shards'] as const)[input.steps.length % 5]!;
    const other = done(input, { engine }, 'other');
    expectAgreement(first, other, input, { what: `with the engine ${engine}`, dump });
    expectAccounting(other, `accounting of ${engine}`);
    tally.add(engine, packets);
    expectEmptiable(other, engine);
  }
  expectEmptiable(first, 'ct-bucket');
  return packets;
}

export function* smaller(input: Sequence): Generator<Sequence, void, void> {
  for (const steps of withoutParts(input.steps)) {
    yield { ...input, steps };
  }
  for (const [at, step] of input.steps.entries()) {
    if (step.op === 'batch') {
      for (const packets of withoutParts(step.packets)) {
        yield { ...input, steps: input.steps.with(at, { ...step, packets }) };
      }
      if (step.actions.length > 1) {
        yield { ...input, steps: input.steps.with(at, { ...step, actions: step.actions.slice(0, 1) }) };
      }
    }
  }
}

export const packets: Target<Sequence> = {
  name: 'packets',
  about: 'sequences of valid and broken packets, with settings, sweeps and leaps of time between them',
  weight: 6,
  prepare: async (options) => {
    corpus = await loadCorpus(options);
  },
  generate: (random) => sequence(random, corpus!),
  run,
  shrink: smaller,
};
