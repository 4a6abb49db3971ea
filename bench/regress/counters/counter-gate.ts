/**
 * The gate by exact counters. They have no noise, and decide before the time does. Only a first look at the time comes earlier, which calls
 * what is huge:
 *
 * - Both builds run the same compiled code: every case is fine, and nothing is measured.
 * - The counters of a case became worse, and none better: the case regressed, and no time is measured.
 * - Everything else: the counters are silent, and time decides.
 *
 * counter-prices.ts says how much worse is too much.
 */

import { type AcceptedSlowdown, markCounters } from '../verdict/accepted.ts';
import { countsOf, NoCountersError } from '../../count/counts.ts';
import type { CountSampleOptions, PhaseCounts } from '../../count/count-options.ts';
import { bytesOf } from '../../count/allocations.ts';
import { gateOf } from '../../count/gate.ts';
import { hasValgrind, steadyInstructionsOf } from '../../count/instructions.ts';
import { showProgress } from '../../samples/samples.ts';
import { WORKLOAD_NAMES, type WorkloadName, workloadOf } from '../../workloads/registry.ts';
import type { Build } from '../builds/builds.ts';
import type { RegressCase, RegressConfig } from '../config.ts';
import { thresholdsOf } from '../config.ts';
import type { CounterMode } from './counter-modes.ts';
import type { CaseFinding, CounterFindings, PhaseFinding } from './counter-findings.ts';
import { costChange } from './counter-prices.ts';
import { isSameCode } from '../builds/same-code.ts';
import { stageChanges } from './stage-changes.ts';

/** A change of the cost that compilers may cause, in percent. Nothing below it is called. */
const LEAST_LIMIT_PERCENT = 1;
/** The same for instructions: compilers inline a little differently where the code differs. */
const LEAST_INSTRUCTIONS_LIMIT_PERCENT = 2;
/** As many as a count of the committed file has (bench/count/cases.ts). */
const MOST_CONNECTIONS = { usual: 8192, tcp: 2048 };

/** The work to count in place of a case. A text: why there is none. */
export function workOf({ workload, batchSize, buckets, connections, gates }: RegressCase): CountSampleOptions | string {
  if (!WORKLOAD_NAMES.includes(workload as WorkloadName)) {
    return `the counters do not know ${workload}`;
  }
  if (workloadOf(workload as WorkloadName).hasSweeper === true) {
    return 'the counters have one thread, and no sweeper';
  }
  if (gates.time === undefined) {
    return 'the case has no gate for time';
  }
  const most = workload.startsWith('tcp') ? MOST_CONNECTIONS.tcp : MOST_CONNECTIONS.usual;
  return {
    workload: workload as WorkloadName,
    engine: 'ct-bucket',
    connections: Math.min(most, connections),
    batchSize,
    buckets,
  };
}

/** A case, and the work that is counted in its place. */
interface CaseWork {
  each: RegressCase;
  work: CountSampleOptions;
}

function silent(name: string, why: string): CaseFinding {
  return { case: name, verdict: 'silent', why, phases: [] };
}

/** The phases of one build on one work. */
export interface CountedPhase {
  counts: PhaseCounts;
  bytes: number;
  instructions?: number;
}

/** Judges a case. Both builds were counted on the same work. */
export function judgeCounters(
  name: string,
  tolerate: number,
  before: readonly CountedPhase[],
  after: readonly CountedPhase[],
): CaseFinding {
  const phases = before.flatMap((old): PhaseFinding[] => {
    const now = after.find(({ counts }) => counts.name === old.counts.name);
    if (now === undefined || now.counts.packets !== old.counts.packets) {
      return [];
    }
    const both = old.instructions !== undefined && now.instructions !== undefined;
    const [a, b] = [old, now].map(({ counts, bytes, instructions }) => ({
      packets: counts.packets,
      gate: gateOf(counts, bytes),
      ...(both ? { instructions: instructions! } : {}),
    }));
    const change = costChange(a!, b!);
    const limitPercent = Math.max(both ? LEAST_INSTRUCTIONS_LIMIT_PERCENT : LEAST_LIMIT_PERCENT, tolerate);
    /* Something better beside it: only time can tell which of the two weighs more. */
    const isWorse = change.risePercent - change.fallPercent > limitPercent && change.fallPercent < limitPercent;
    return [{ phase: old.counts.name, ...change, limitPercent, isWorse, stages: stageChanges(old.counts, now.counts) }];
  });
  return {
    case: name,
    verdict: phases.some(({ isWorse }) => isWorse) ? 'regressed' : 'silent',
    ...(phases.length === 0 ? { why: 'the two builds count different work' } : {}),
    phases,
  };
}

/** Whether the counters alone decide: the verdict needs no pairs. */
export function isDecided({ cases }: CounterFindings): boolean {
  return (
    cases.length > 0 &&
    (cases.some(({ verdict }) => verdict === 'regressed') || cases.every(({ verdict }) => verdict === 'fine'))
  );
}

/** The phases of each work. All works share one copy of the build, since its rewriting takes longest. */
async function countedPhases({ dist: build }: Build, works: readonly CountSampleOptions[]): Promise<CountedPhase[][]> {
  const counted = await countsOf({ build, works });
  const phases: CountedPhase[][] = [];
  for (const [i, work] of works.entries()) {
    const bytes = await bytesOf(build, work);
    phases.push(counted[i]!.phases.map((counts) => ({ counts, bytes: bytes[counts.name]! })));
  }
  return phases;
}

/** Why a case was not counted. */
function whyNot(error: unknown): string {
  /* An older build, or one whose packet path the counters cannot rewrite: time decides. */
  return error instanceof NoCountersError
    ? 'a build is older than the counters'
    : (error as Error).message.split('\n')[0]!;
}

/** Both builds at once: counts do not depend on what else runs. */
function ofBoth<Result>(a: Build, b: Build, count: (build: Build) => Promise<Result>): Promise<[Result, Result]> {
  return Promise.all([count(a), count(b)]);
}

/** Counts two builds, case by case. */
export class CounterGate {
  readonly #base: Build;
  readonly #head: Build;
  readonly #config: RegressConfig;
  readonly #mode: CounterMode;
  readonly #accepted: readonly AcceptedSlowdown[];
  readonly #counted = new Map<string, [CountedPhase[], CountedPhase[]]>();
  findings: CounterFindings = { cases: [], tookSeconds: 0 };

  /** @param accepted slowdowns of which the counters are silent */
  constructor(
    base: Build,
    head: Build,
    config: RegressConfig,
    mode: CounterMode,
    accepted: readonly AcceptedSlowdown[],
  ) {
    this.#base = base;
    this.#head = head;
    this.#config = config;
    this.#mode = mode;
    this.#accepted = accepted;
  }

  /** Compares the code. @returns whether it is the same, so that all cases are fine */
  async compareCode(): Promise<boolean> {
    if (this.#mode === 'none' || !(await isSameCode(this.#base, this.#head))) {
      return false;
    }
    this.findings.cases = this.#config.cases.map(({ name }) => ({ case: name, verdict: 'fine', phases: [] }));
    return true;
  }

  /**
   * Counts operations, lines and bytes, then instructions.
   * @param limitMs instructions that are not counted after this time are left out
   * @param order names of the cases in the order in which their instructions are counted
   * @returns whether the counters decide the verdict
   */
  async count(limitMs: number, order?: readonly string[]): Promise<boolean> {
    const startMs = performance.now();
    return (await this.countShared()) || this.countInstructions(limitMs - (performance.now() - startMs), order);
  }

  /** Counts operations, lines and bytes. @returns whether they decide the verdict */
  async countShared(): Promise<boolean> {
    const startMs = performance.now();
    if (this.#mode === 'none') {
      return false;
    }
    showProgress('counting operations and lines');
    const { cases } = this.#config;
    const all = cases.map((each) => ({ each, work: workOf(each) }));
    const counted = all.filter((one): one is CaseWork => typeof one.work !== 'string');
    const found =
      counted.length > 1
        ? await this.#sharedOf(counted).catch(() => this.#oneByOne(counted))
        : await this.#oneByOne(counted);
    this.findings.cases = all.map(
      ({ each: { name }, work }) => found.find((finding) => finding.case === name) ?? silent(name, work as string),
    );
    showProgress('');
    this.findings.tookSeconds += (performance.now() - startMs) / 1000;
    return isDecided(this.findings);
  }

  async #sharedOf(counted: readonly CaseWork[]): Promise<CaseFinding[]> {
    const works = counted.map(({ work }) => work);
    const [before, after] = await ofBoth(this.#base, this.#head, (build) => countedPhases(build, works));
    return counted.map(({ each }, i) => {
      this.#counted.set(each.name, [before[i]!, after[i]!]);
      return this.#judged(each, [before[i]!, after[i]!]);
    });
  }

  /** Case by case, so that one that cannot be counted leaves the others. */
  async #oneByOne(counted: readonly CaseWork[]): Promise<CaseFinding[]> {
    const found: CaseFinding[] = [];
    for (const one of counted) {
      found.push(...(await this.#sharedOf([one]).catch((error: unknown) => [silent(one.each.name, whyNot(error))])));
    }
    return found;
  }

  #judged(each: RegressCase, [before, after]: [CountedPhase[], CountedPhase[]]): CaseFinding {
    const found = judgeCounters(each.name, thresholdsOf(this.#config, each, 'time').tolerate, before, after);
    return markCounters({ cases: [found], tookSeconds: 0 }, this.#accepted).cases[0]!;
  }

  /**
   * Counts instructions, where valgrind is installed.
   * @param limitMs what is not counted after this time is left out
   * @param order names of the cases; the first may be the only one for which there is time
   * @returns whether the counters now decide the verdict
   */
  async countInstructions(
    limitMs: number,
    order: readonly string[] = this.#config.cases.map(({ name }) => name),
  ): Promise<boolean> {
    if (this.#mode !== 'all' || this.#counted.size === 0 || !hasValgrind()) {
      return false;
    }
    const startMs = performance.now();
    const endMs = startMs + limitMs;
    const counted = this.#config.cases.filter(({ name }) => this.#counted.has(name));
    for (const each of counted.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))) {
      showProgress(`counting instructions: ${each.name}`);
      const work = workOf(each) as CountSampleOptions;
      const index = this.findings.cases.findIndex(({ case: name }) => name === each.name);
      const left = endMs - performance.now();
      const counts =
        left > 0 ? await ofBoth(this.#base, this.#head, ({ dist }) => steadyInstructionsOf(dist, work, left)) : [];
      const [a, b] = counts;
      if (a === undefined || b === undefined) {
        this.findings.cases[index]!.why = 'there was no time to count instructions, or a build cannot count them';
        continue;
      }
      const phasesOfBoth = this.#counted
        .get(each.name)!
        .map((phases, build) =>
          phases.map((phase) => ({ ...phase, instructions: counts[build]![phase.counts.name]! })),
        ) as [CountedPhase[], CountedPhase[]];
      this.findings.cases[index] = this.#judged(each, phasesOfBoth);
      if (isDecided(this.findings)) {
        break;
      }
    }
    showProgress('');
    this.findings.tookSeconds += (performance.now() - startMs) / 1000;
    return isDecided(this.findings);
  }
}
