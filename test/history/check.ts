/**
 * Is a history of one flow linearizable: is there an order of steps, each between its operation's invocation and
 * response, in which the model (model.ts) gives every answer that was given? A search after Wing and Gong, that never comes to
 * the same place twice, after Lowe. A place is how far each thread got, what those in the middle of an operation are about
 * to do, and the model's state: each thread does one operation at a time, so there are few.
 */

import { operationText, type Operation } from './operation.ts';
import { INITIAL, type Plan, type State, stateKey, stateText, stepsOf } from './model.ts';

interface Place {
  /** Of each thread: operations completed. */
  done: readonly number[];
  /** Of each thread: where its next operation stands. */
  plans: readonly Plan[];
  state: State;
}

export interface Verdict {
  isLinearizable: boolean;
  /** Places that the search came to. */
  places: number;
  /** What is wrong, to be read; empty if nothing is. */
  report: string;
}

function placeKey(place: Place): string {
  return `${place.done.join()}|${place.plans.join()}|${stateKey(place.state)}`;
}

/** @param operations of one flow, all threads', in any order */
export function checkFlow(operations: readonly Operation[]): Verdict {
  const threads = byThread(operations);
  const seen = new Set<string>();
  const stack: Place[] = [{ done: threads.map(() => 0), plans: threads.map(() => ''), state: INITIAL }];
  let furthest: Place[] = [];
  let most = -1;
  while (stack.length > 0) {
    const place = stack.pop()!;
    const key = placeKey(place);
    if (seen.has(key)) {
      continue;
    }
    seen.add(key);
    const completed = place.done.reduce((sum, each) => sum + each, 0);
    if (completed === operations.length) {
      return { isLinearizable: true, places: seen.size, report: '' };
    }
    if (completed > most) {
      most = completed;
      furthest = [];
    }
    if (completed === most) {
      furthest.push(place);
    }
    stack.push(...placesAfter(place, threads));
  }
  return { isLinearizable: false, places: seen.size, report: reportOf(threads, furthest) };
}

function byThread(operations: readonly Operation[]): Operation[][] {
  const threads: Operation[][] = [];
  for (const operation of operations) {
    (threads[operation.thread] ??= []).push(operation);
  }
  const present = threads.filter((each) => each !== undefined);
  present.forEach((each) => each.sort((a, b) => a.invoked - b.invoked || a.responded - b.responded));
  return present;
}

/** All places one step further. */
function placesAfter(place: Place, threads: readonly Operation[][]): Place[] {
  const { done, plans, state } = place;
  /* Whoever is invoked after this response has to wait for its operation. */
  const firstResponse = Math.min(...threads.map((each, t) => each[done[t]!]?.responded ?? Infinity));
  const places: Place[] = [];
  for (const [t, operations] of threads.entries()) {
    const operation = operations[done[t]!];
    if (operation === undefined || operation.invoked > firstResponse) {
      continue;
    }
    for (const step of stepsOf(operation, plans[t]!, state)) {
      places.push({
        done: step.plan === null ? done.with(t, done[t]! + 1) : done,
        plans: plans.with(t, step.plan ?? ''),
        state: step.state,
      });
    }
  }
  return places;
}

/**
 * The operations since the last moment at which nobody was in the middle of one, up to those that cannot be explained, and
 * how far the best attempts to explain them came.
 */
function reportOf(threads: readonly Operation[][], furthest: readonly Place[]): string {
  const stuck = furthest.flatMap(({ done }) => threads.map((each, t) => each[done[t]!]));
  const last = Math.min(...stuck.flatMap((each) => (each === undefined ? [] : [each.responded])));
  const until = threads
    .flat()
    .filter(({ invoked }) => invoked <= last)
    .toSorted((a, b) => a.invoked - b.invoked);
  const from = lastQuietMoment(until, last);
  const shown = until.filter(({ invoked }) => invoked >= from);
  const states = new Set(furthest.map(({ state }) => stateText(state)));
  return [
    'not linearizable: no order of these operations explains the answer of the last',
    ...shown.map((operation) => `  ${operationText(operation)}`),
    ...[...states].slice(0, 8).map((text) => `  before it there would have to be: ${text}`),
  ].join('\n');
}

/** Context that a report starts with, if that much has happened: operations. */
const CONTEXT = 6;

function lastQuietMoment(operations: readonly Operation[], end: number): number {
  const first = operations[Math.max(0, operations.length - CONTEXT)]?.invoked ?? 0;
  let quiet = 0;
  let busyUntil = -1;
  for (const { invoked, responded } of operations) {
    if (invoked > busyUntil && invoked <= first && invoked < end) {
      quiet = invoked;
    }
    busyUntil = Math.max(busyUntil, responded);
  }
  return quiet;
}
