/**
 * Jobs of the tests of repair. A participant dies before the n-th shared access of a scenario, for every n. Another
 * thread repairs it, and the whole table is checked.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { RepairReport } from '../../src/core/repair/repair.ts';
import { ConnWord } from '../../src/core/table/conn.ts';
import { forgetHeld } from '../../src/shared/sync/lockdep.ts';
import { ParticipantWord } from '../../src/shared/memory/participant.ts';
import { Slab } from '../../src/shared/memory/slab.ts';
import { pretendDead } from '../support/participant-slots.ts';
import { serve } from './serve.ts';
import { NOW_MS, A_WEEK_MS, send, flows, check, SMALL } from './repair-traffic.ts';
import type { Scenario } from './repair-scenario.ts';
import { SCENARIOS, LOCK_TIMEOUT_SCENARIOS } from './repair-scenarios.ts';
import { Killed, runUntil, dieBefore, giveUpAt } from './dying.ts';
import { tearFragments, FRAGMENT_CHANGES } from './torn-fragments.ts';

export interface Outcome {
  /** Accesses before which the participant died. */
  points: number;
  /** The sum of all reports. */
  report: RepairReport;
  /** The first problems, with the number of the access. */
  problems: string[];
}

function merge(into: RepairReport | undefined, report: RepairReport): RepairReport {
  const merged: Record<string, unknown> = { ...report };
  for (const [name, value] of Object.entries(into ?? {})) {
    if (typeof value === 'number') {
      merged[name] = value + (merged[name] as number);
    } else if (name === 'wasEventReader') {
      merged[name] = value || merged[name];
    }
  }
  return merged as unknown as RepairReport;
}

interface Death {
  scenario: Scenario;
  /** Access before which the participant dies. */
  n: number;
  /** If given, a first repairing thread dies before this access of its own. */
  m?: number | undefined;
}

function dieAt({ scenario, n, m }: Death): { isDone: boolean; report?: RepairReport; problems: string[] } {
  const ct = new Conntrack(scenario.options);
  scenario.prepare?.(ct);
  const victim = Conntrack.attach(ct.memory);
  scenario.warmUp?.(victim);
  if (runUntil(n, () => scenario.run(victim, ct))) {
    return { isDone: true, problems: [] };
  }
  if (m !== undefined) {
    const repairer = Conntrack.attach(ct.memory);
    pretendDead(victim);
    runUntil(m, () => repairer.repair(victim.participant));
    pretendDead(repairer);
    ct.repair(repairer.participant);
  }
  pretendDead(victim);
  const report = ct.repair(victim.participant);
  const problems = report.isComplete ? [] : ['the repair is not complete'];
  problems.push(...check(ct, 'after the repair'), ...(scenario.check?.(ct) ?? []));

  /* The replacement repeats the operation. Then everything is removed. */
  const { participant, token } = report;
  let replacement = Conntrack.attach(ct.memory, { participant, token });
  scenario.run(replacement, ct);
  if (replacement.tracker.isClosed) {
    replacement = Conntrack.attach(ct.memory);
  }
  replacement.tracker.leave();
  ct.deleteZoneLimit('default');
  ct.sweep(NOW_MS + A_WEEK_MS);
  if (ct.connCount !== 0) {
    problems.push(`${ct.connCount} connections are left after a week`);
  }
  ct.flush();
  const limit = Math.min(ct.maxConnections, 40);
  ct.maxConnections = limit;
  const states = [...send(ct, flows(500, limit)), ...send(replacement, flows(900, 1))];
  if (ct.connCount !== limit || states.some((state) => state !== 'new|trk')) {
    problems.push(`after a flush ${ct.connCount} of ${limit} connections were made`);
  }
  ct.flush();
  problems.push(...check(ct, 'at the end'));
  return { isDone: false, report, problems };
}

/** A repair makes about 40 accesses, and more with more work: this covers all of them over the values of n. */
function repairerDiesAt(n: number): number {
  return 1 + ((n * 29) % 97);
}

const jobs = {
  scenarios(): string[] {
    return Object.keys(SCENARIOS);
  },

  /** Dies before each access of a scenario in turn. */
  dieEverywhere({
    name,
    isRepairerMortal,
    step = 1,
  }: {
    name: string;
    isRepairerMortal: boolean;
    step?: number;
  }): Outcome {
    const outcome: { points: number; report?: RepairReport; problems: string[] } = { points: 0, problems: [] };
    const { stride = 1 } = SCENARIOS[name]!;
    for (let n = 1; ; n += Math.max(stride, step)) {
      let result;
      try {
        result = dieAt({ scenario: SCENARIOS[name]!, n, m: isRepairerMortal ? repairerDiesAt(n) : undefined });
      } catch (error) {
        throw new Error(`${name}, access ${n}: ${(error as Error).stack}`, { cause: error });
      }
      if (result.isDone) {
        return outcome as Outcome;
      }
      outcome.points++;
      outcome.report = merge(outcome.report, result.report!);
      outcome.problems.push(...result.problems.slice(0, 5).map((problem) => `access ${n}: ${problem}`));
      if (outcome.problems.length > 10) {
        return outcome as Outcome;
      }
    }
  },

  /** Dies right before it frees a record: the checks have noted the free, and the record is still in flight. */
  dieGivingBack({ what }: { what: 'keep' | 'retire' }): string[] {
    const { options, prepare, run } = SCENARIOS[what === 'keep' ? 'insert with NAT, no port left' : 'flush']!;
    const ct = new Conntrack(options);
    prepare?.(ct);
    const victim = Conntrack.attach(ct.memory);
    const original = Slab.prototype[what];
    Slab.prototype[what] = () => {
      throw new Killed();
    };
    try {
      run(victim, ct);
      return ['it did not die'];
    } catch (error) {
      if (!(error instanceof Killed)) {
        throw error;
      }
    } finally {
      Slab.prototype[what] = original as never;
      forgetHeld();
    }
    pretendDead(victim);
    const { isComplete } = ct.repair(victim.participant);
    return [...(isComplete ? [] : ['the repair is not complete']), ...check(ct, 'after the repair')];
  },

  /**
   * One thread dies while it writes the label of a connection, another one before it emits the event of that
   * connection's removal.
   * @returns the label in a dump meanwhile, and the results of the repairs, the second thread's first
   */
  dieOverLabel(): { label: string; isComplete: boolean[]; emitted: string[]; problems: string[] } {
    const ct = new Conntrack({ ...SMALL, maxParticipants: 4 });
    const events = ct.events();
    send(ct, flows(1, 1));
    const writer = Conntrack.attach(ct.memory);
    const remover = Conntrack.attach(ct.memory);
    const { base } = writer.tracker.participant;
    const wordOf = (word: number) => ct.memory.words[base + ParticipantWord.CONNECTION_LOCK]! - ConnWord.LOCK + word;
    dieBefore(
      'store',
      () => wordOf(ConnWord.LABEL + 1),
      () => send(writer, flows(1, 1), { commit: true, label: { value: '1', mask: '1' } }),
    );
    const label = [...ct.dump({ nowMs: NOW_MS })].flat()[0]!.label;
    dieBefore(
      'load',
      () => wordOf(ConnWord.LABEL_SEQUENCE),
      () => remover.flush(),
    );
    [writer, remover].forEach(pretendDead);
    const isComplete = [remover, writer, remover].map(({ participant }) => ct.repair(participant).isComplete);
    const emitted = events.drain().map(({ kind }) => kind);
    events.close();
    return { label, isComplete, emitted, problems: check(ct, 'after the repairs') };
  },

  lockTimeoutScenarios(): string[] {
    return LOCK_TIMEOUT_SCENARIOS;
  },

  /**
   * A thread with a lock timeout gives up waiting for each lock of a scenario in turn, which a stranger holds. After
   * the stranger has released it, the thread repeats the operation.
   */
  giveUpEverywhere({ name }: { name: string }): { points: number; problems: string[] } {
    const scenario = SCENARIOS[name]!;
    const outcome = { points: 0, problems: [] as string[] };
    for (let n = 1; ; n++) {
      const ct = new Conntrack(scenario.options);
      scenario.prepare?.(ct);
      const thread = Conntrack.attach(ct.memory);
      thread.lockTimeoutMs = 1;
      const held = giveUpAt(n, () => scenario.run(thread, ct));
      if (held === undefined) {
        return outcome;
      }
      outcome.points++;
      Atomics.store(held.words, held.index, 0);
      scenario.run(thread, ct);
      const problems = [...check(ct, 'at the end'), ...(scenario.check?.(ct) ?? [])];
      outcome.problems.push(...problems.slice(0, 5).map((problem) => `lock ${n}: ${problem}`));
    }
  },

  changes(): string[] {
    return Object.keys(FRAGMENT_CHANGES);
  },

  /** Dies before each plain store of a change of the held fragments, in turn. */
  tearEverywhere({ name }: { name: string }): { points: number; problems: string[] } {
    const outcome = { points: 0, problems: [] as string[] };
    for (let n = 1; ; n++) {
      const { isDone, problems } = tearFragments(n, FRAGMENT_CHANGES[name]!);
      outcome.problems.push(...problems.slice(0, 5).map((problem) => `store ${n}: ${problem}`));
      if (isDone || outcome.problems.length > 10) {
        return outcome;
      }
      outcome.points = n;
      /* The frame is copied word by word. */
      if (n > 30 && n < 250) {
        n += 50;
      }
    }
  },
};

export type RepairJobs = typeof jobs;
serve(jobs);
