/**
 * Plays one schedule again and tells step by step what happened.
 *
 *   npx tsx test/explorer/replay.ts mutex/two "5.1 9.0" [mutant]
 */

import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { DIES, FIRST_FREE, STEP_KINDS, stepChosen, stepCode, stepRegion, stepThread, traceWord } from './board.ts';
import { entryOf } from './catalogue.ts';
import { ExplorerCrew } from './crew.ts';
import { judge, type Failure } from './judge.ts';
import { CompiledSources, mutantNamed } from './compile.ts';
import type { Mutant } from './mutants.ts';
import { parseSchedule } from './schedule.ts';

export interface Replay {
  /** A line a step. */
  trace: string[];
  failure?: Failure;
  /** False: the run ended before the schedule did, which is one of other code. */
  isFollowed: boolean;
}

/**
 * @param id a scenario of the catalogue
 * @param schedule as printed with a failure
 * @param sources compiled
 * @param mutant one of those that they were compiled with
 */
export async function replay(id: string, schedule: string, sources: CompiledSources, mutant?: Mutant): Promise<Replay> {
  const entry = entryOf(id);
  const crew = new ExplorerCrew(sources.root);
  try {
    await crew.load({ root: mutant === undefined ? sources.root : sources.rootOf(mutant), ...entry });
    const run = crew.run(
      { decisions: parseSchedule(schedule) },
      { isVerbose: true, mayTimeOut: entry.mayTimeOut === true },
    );
    const failure = judge(crew, run);
    const { board } = crew;
    const steps = Array.from({ length: run.steps }, (_, step) => {
      const at = traceWord(step);
      return { step, word: board[at]!, index: board[at + 2]! };
    });
    const places = steps.map(({ word, index }): [number, number] => [stepRegion(word), index]);
    const names = await crew.namesOf(places);
    const trace = steps.map(({ step, word }, i) => {
      const thread = stepThread(word);
      const code = stepCode(word);
      const chosen = stepChosen(word);
      const access = run.log.get(step);
      const isAbout = code < FIRST_FREE || STEP_KINDS[code] === 'sleep';
      const values =
        access === undefined
          ? ''
          : access.before === access.after
            ? `= ${access.before}`
            : `${access.before} -> ${access.after}`;
      const turn =
        chosen === DIES
          ? '  (dies here)'
          : chosen === thread
            ? ''
            : code < FIRST_FREE
              ? `  (after a turn of thread ${chosen})`
              : `  then thread ${chosen}`;
      return `${String(step).padStart(4)}  thread ${thread}  ${STEP_KINDS[code]!.padEnd(15)} ${isAbout ? names[i] : ''} ${values}${turn}`.trimEnd();
    });
    const { isFollowed } = run;
    return failure === undefined ? { trace, isFollowed } : { trace, isFollowed, failure: { ...failure, schedule } };
  } finally {
    await crew.end();
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [id, schedule, mutantName] = argv.slice(2);
  if (id === undefined || schedule === undefined) {
    console.error('usage: replay.ts SCENARIO SCHEDULE [MUTANT]; a schedule is what a failure printed, in quotes');
    process.exitCode = 2;
  } else {
    let sources: CompiledSources | undefined;
    try {
      const mutant = mutantName === undefined ? undefined : mutantNamed(mutantName);
      parseSchedule(schedule);
      entryOf(id);
      sources = new CompiledSources(mutant === undefined ? [] : [mutant]);
      const { trace, failure, isFollowed } = await replay(id, schedule, sources, mutant);
      console.log(trace.join('\n'));
      console.log(failure === undefined ? 'all is well' : `${failure.kind}: ${failure.message}`);
      process.exitCode = failure === undefined ? 0 : 1;
      if (failure === undefined && !isFollowed) {
        throw new Error('the run ended before the schedule did: that is one of other code, or of a mutant');
      }
    } catch (error) {
      console.error((error as Error).message);
      process.exitCode = 2;
    } finally {
      sources?.remove();
    }
  }
}
