/**
 * The search: all schedules of a scenario with up to so many preemptions, those with fewer first; then random ones.
 *
 * Stateless: every schedule runs from the initial state, following its decisions up to the last, then without
 * preemption. From what happened after the last decision come the schedules with one decision more.
 *
 * Not tried: to preempt a thread before an access that is independent of all that other threads do, i.e. to a word that
 * nobody else touches (or, for a read, that nobody else writes) in any run of the search. Who does that and who lets the
 * thread make this access first and preempts it at its next one see the same: the access neither changes what the others
 * read nor reads what they change. Were it otherwise, the others would touch the word in the second schedule too, which is
 * run; then the word counts as shared, and what was left out on its account is made up for. Nor is a thread preempted
 * before its first access of all: another one could have begun instead.
 *
 * Plain accesses are no scheduling points: they belong to the access of the seam before them. What is said above holds
 * for them where they are ordered by locks, publication and epochs, as they should be; whether they are is the question, too.
 * Hence one preemption is tried before every access, independent or not, and words that change without the
 * seam having written them count as shared.
 */

import { setImmediate } from 'node:timers/promises';
import { DIES, FIRST_FREE, isRead, stepChosen, stepCode, stepRegion, stepThread, traceWord } from './board.ts';
import type { CatalogueEntry } from './catalogue.ts';
import { BEGIN, type ExplorerCrew, type RunResult } from './crew.ts';
import { judge, type Failure } from './judge.ts';
import { decisionsOf, scheduleText } from './schedule.ts';

export interface ExploreOptions {
  /** All schedules with up to so many preemptions. */
  preemptions: number;
  /** Random schedules after that; default 0. */
  randomRuns?: number;
  /** Of the random schedules; default 1. */
  seed?: number;
  /** Priority changes of a random schedule; default 3. */
  changePoints?: number;
  /** The search ends incomplete after so many; default 1,000,000. */
  maxSchedules?: number;
  /** A thread that dies at each of its steps in turn. */
  victim?: number;
  /** Threads that sleep with a timeout may be left to it. */
  mayTimeOut?: boolean;
  /** Called after every run that was not a failure. */
  onRun?: () => void;
}

export interface Exploration {
  /** Schedules that were run, random ones apart. */
  schedules: number;
  randomSchedules: number;
  /** Of the run without decisions. */
  steps: number;
  /** Words that threads really share. */
  sharedWords: number;
  /** Were all schedules within the bound run? */
  isComplete: boolean;
  timeouts: number;
  elapsedMs: number;
  failure?: Failure;
}

interface Item {
  decisions: number[];
  preemptions: number;
  hasDeath: boolean;
  /** Nothing comes from it that does not come from another, too. */
  isLeaf: boolean;
  /** Hash of the run that this one must repeat, at its last decision's step. */
  hash: number;
}

/** Bits of a word's use: threads that read it, and threads that write it. */
const WRITERS_SHIFT = 8;
/** Stands for a thread whose plain access was not seen. */
const SOMEBODY = 7;

function keyOf(region: number, index: number): number {
  return region * 0x1_0000_0000 + index;
}

const YIELD_MS = 100;

export class Search {
  readonly #crew: ExplorerCrew;
  readonly #options: ExploreOptions;
  /** By preemptions. */
  readonly #queues: Item[][] = [];
  /** How words are used, by key. */
  readonly #uses = new Map<number, number>();
  /** What was left out, by the word on whose account. */
  readonly #leftOut = new Map<number, Item[]>();

  constructor(crew: ExplorerCrew, options: ExploreOptions) {
    this.#crew = crew;
    this.#options = options;
  }

  async explore(): Promise<Exploration> {
    const startMs = performance.now();
    const { preemptions, maxSchedules = 1_000_000, randomRuns = 0, mayTimeOut = false } = this.#options;
    const result: Exploration = {
      schedules: 0,
      randomSchedules: 0,
      steps: 0,
      sharedWords: 0,
      isComplete: false,
      timeouts: 0,
      elapsedMs: 0,
    };
    for (let i = 0; i <= preemptions; i++) {
      this.#queues.push([]);
    }
    for (let thread = 0; thread < this.#crew.threads; thread++) {
      const decisions = thread === 0 ? [] : [BEGIN, thread];
      this.#queues[0]!.push({ decisions, preemptions: 0, hasDeath: false, isLeaf: false, hash: 0 });
    }
    let lastYieldMs = startMs;
    for (let item = this.#next(); item !== undefined && result.schedules < maxSchedules; item = this.#next()) {
      const run = this.#crew.run({ decisions: item.decisions }, { mayTimeOut });
      result.schedules++;
      result.timeouts += run.timeouts;
      if (result.schedules === 1) {
        result.steps = run.steps;
      }
      const failure = this.#failureOf(run, item);
      if (failure !== undefined) {
        result.failure = failure;
        break;
      }
      this.#options.onRun?.();
      if (!item.isLeaf) {
        this.#expand(item, run.steps);
      }
      if (item.preemptions === 0) {
        this.#crew.changedWords((region, index) => this.#noteChange(region, index));
      }
      if (performance.now() - lastYieldMs > YIELD_MS) {
        await setImmediate();
        lastYieldMs = performance.now();
      }
    }
    result.isComplete = result.failure === undefined && this.#next() === undefined;
    if (result.failure === undefined && randomRuns > 0) {
      await this.#exploreAtRandom(result);
    }
    result.sharedWords = [...this.#uses.keys()].filter((key) => this.#isShared(key)).length;
    result.elapsedMs = performance.now() - startMs;
    return result;
  }

  #next(): Item | undefined {
    return this.#queues.find((queue) => queue.length > 0)?.pop();
  }

  #failureOf(run: RunResult, item: Item): Failure | undefined {
    const { board, threads } = this.#crew;
    const last = item.decisions.at(-2) ?? BEGIN;
    if (last >= 0 && (last >= run.steps || board[traceWord(last) + 3] !== item.hash)) {
      throw new Error(
        `schedule ${scheduleText(item.decisions)} does not repeat the run that it comes from: the scenario keeps a state ` +
          'that is not set back, or is not deterministic',
      );
    }
    const failure = judge(this.#crew, run);
    if (failure !== undefined) {
      failure.schedule = scheduleText(decisionsOf(board, run.steps, threads));
    }
    return failure;
  }

  /** Queues the schedules with one decision more, after the last. */
  #expand(item: Item, steps: number): void {
    const { board, threads } = this.#crew;
    const { preemptions, victim } = this.#options;
    const lastDecision = item.decisions.at(-2) ?? BEGIN;
    let begun = 0;
    for (let step = 0; step < steps; step++) {
      const at = traceWord(step);
      const word = board[at]!;
      const thread = stepThread(word);
      const code = stepCode(word);
      const isFree = code >= FIRST_FREE;
      const isFirst = (begun & (1 << thread)) === 0;
      if (!isFree) {
        begun |= 1 << thread;
      }
      if (step <= lastDecision) {
        continue;
      }
      const key = isFree ? -1 : this.#use(stepRegion(word), board[at + 2]!, thread, code);
      const hash = board[at + 3]!;
      if (!isFree && thread === victim && !item.hasDeath) {
        const decisions = [...item.decisions, step, DIES];
        this.#queues[item.preemptions]!.push({ ...item, decisions, hasDeath: true, hash });
      }
      const cost = item.preemptions + (isFree ? 0 : 1);
      if (cost > preemptions || (!isFree && isFirst)) {
        continue;
      }
      const others = board[at + 1]! & ~(1 << stepChosen(word));
      if (others === 0) {
        continue;
      }
      for (let other = 0; other < threads; other++) {
        if ((others & (1 << other)) === 0) {
          continue;
        }
        const child: Item = {
          decisions: [...item.decisions, step, other],
          preemptions: cost,
          hasDeath: item.hasDeath,
          isLeaf: false,
          hash,
        };
        if (key >= 0 && this.#isIndependent(key, thread, code)) {
          this.#leaveOut(key, child);
          if (cost === 1) {
            this.#queues[cost]!.push({ ...child, isLeaf: true });
          }
        } else {
          this.#queues[cost]!.push(child);
        }
      }
    }
  }

  /** Notes a thread's access to a word. @returns the word's key */
  #use(region: number, index: number, thread: number, code: number): number {
    const key = keyOf(region, index);
    this.#noteUse(key, isRead(code) ? 1 << thread : 1 << (thread + WRITERS_SHIFT));
    return key;
  }

  /** A word has changed in a run: if not through the seam, then by a plain access, of whomever. */
  #noteChange(region: number, index: number): void {
    const key = keyOf(region, index);
    if ((this.#uses.get(key) ?? 0) >>> WRITERS_SHIFT === 0) {
      this.#noteUse(key, 1 << (SOMEBODY + WRITERS_SHIFT));
    }
  }

  #noteUse(key: number, bit: number): void {
    const before = this.#uses.get(key) ?? 0;
    if ((before & bit) === 0) {
      this.#uses.set(key, before | bit);
      const leftOut = this.#leftOut.get(key);
      if (leftOut !== undefined && this.#isShared(key)) {
        this.#leftOut.delete(key);
        for (const item of leftOut) {
          this.#queues[item.preemptions]!.push(item);
        }
      }
    }
  }

  #isShared(key: number): boolean {
    const use = this.#uses.get(key)!;
    const writers = use >>> WRITERS_SHIFT;
    const all = writers | (use & ((1 << WRITERS_SHIFT) - 1));
    return writers !== 0 && (all & (all - 1)) !== 0;
  }

  #isIndependent(key: number, thread: number, code: number): boolean {
    const use = this.#uses.get(key)!;
    const others = ~(1 << thread);
    const writers = (use >>> WRITERS_SHIFT) & others;
    const readers = use & ((1 << WRITERS_SHIFT) - 1) & others;
    return writers === 0 && (isRead(code) || readers === 0);
  }

  #leaveOut(key: number, item: Item): void {
    const leftOut = this.#leftOut.get(key);
    if (leftOut === undefined) {
      this.#leftOut.set(key, [item]);
    } else {
      leftOut.push(item);
    }
  }

  /**
   * PCT (Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding bugs", 2010): random
   * priorities, and at a few random steps the running thread falls behind all others.
   */
  async #exploreAtRandom(result: Exploration): Promise<void> {
    const { seed = 1, changePoints = 3, randomRuns = 0, mayTimeOut = false } = this.#options;
    const { board, threads } = this.#crew;
    const random = randomNumbers(seed);
    let longest = result.steps;
    let lastYieldMs = performance.now();
    for (let n = 0; n < randomRuns; n++) {
      const priorities = Array.from({ length: threads }, (_, thread) => thread + 1);
      for (let i = threads - 1; i > 0; i--) {
        const j = random(i + 1);
        [priorities[i], priorities[j]] = [priorities[j]!, priorities[i]!];
      }
      const points = Array.from({ length: changePoints }, () => random(longest)).toSorted((a, b) => a - b);
      const run = this.#crew.run({ priorities, changePoints: [...new Set(points)] }, { mayTimeOut });
      longest = Math.max(longest, run.steps);
      result.randomSchedules++;
      result.timeouts += run.timeouts;
      const failure = judge(this.#crew, run);
      if (failure !== undefined) {
        result.failure = { ...failure, schedule: scheduleText(decisionsOf(board, run.steps, threads)) };
        return;
      }
      if (performance.now() - lastYieldMs > YIELD_MS) {
        await setImmediate();
        lastYieldMs = performance.now();
      }
    }
  }
}

/** Whole numbers from 0 to below `below`, the same for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Searches the scenario that the crew has loaded. */
export function explore(crew: ExplorerCrew, options: ExploreOptions): Promise<Exploration> {
  return new Search(crew, options).explore();
}

/** How a scenario of the catalogue is searched in every test run. */
export function optionsOf({ preemptions, victim, mayTimeOut }: CatalogueEntry): ExploreOptions {
  return {
    preemptions,
    ...(victim === undefined ? {} : { victim }),
    ...(mayTimeOut === undefined ? {} : { mayTimeOut }),
  };
}
