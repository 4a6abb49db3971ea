/**
 * Is a history of one flow linearizable: is there an order of steps, each between its operation's invocation and
 * response, in which the model (model.ts) gives every answer that was given? A search after Wing and Gong, that never comes to
 * the same place twice, after Lowe. A place is how far each thread got, what those in the middle of an operation are about
 * to do, and the model's state: each thread does one operation at a time, so there are few.
 */

import { Kind, operationText, type Operation } from './operation.ts';
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

/** A few hundred bytes each. Histories of hundreds of operations take some thousands. */
const MOST_PLACES = 2_000_000;

function placeKey(place: Place): string {
  return `${place.done.join()}|${place.plans.join()}|${stateKey(place.state)}`;
}

/** @param operations of one flow, all threads', in any order */
export function checkFlow(operations: readonly Operation[]): Verdict {
  const { furthest, places } = search(operations);
  return {
    isLinearizable: furthest.length === 0,
    places,
    report: furthest.length === 0 ? '' : reportOf(operations, furthest),
  };
}

/** @returns the places with the most operations completed, none if there is an order that explains all of them */
function search(operations: readonly Operation[]): { furthest: Place[]; places: number } {
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
    if (seen.size > MOST_PLACES) {
      throw new Error(`after ${MOST_PLACES} places the search has not come to an end; make histories shorter`);
    }
    const completed = place.done.reduce((sum, each) => sum + each, 0);
    if (completed === operations.length) {
      return { furthest: [], places: seen.size };
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
  return { furthest, places: seen.size };
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

/** Completed operations shown before those that cannot be explained. */
const CONTEXT = 8;
/** Operations that a report tries to do without, at most. */
const MOST_ATTEMPTS = 200;

/** Did the operation neither find nor change anything? A history that cannot be explained without it cannot be with it. */
function isIdle({ kind, conn, removed, nowMs }: Operation, startMs: number): boolean {
  const isIdleSweep = kind === Kind.sweep && nowMs === startMs;
  return isIdleSweep || (kind === Kind.look && conn === 0) || (kind === Kind.flushTuple && !removed);
}

/** What was tried in vain: the operations that the search could not get past, and what the best attempts had before. */
function reportOf(operations: readonly Operation[], furthest: readonly Place[]): string {
  const { tried, places } = shorten(operations, furthest);
  const threads = byThread(tried);
  const last = lastOf(threads, places);
  const stuck = new Set(places.flatMap(({ done }) => threads.flatMap((each, t) => each[done[t]!] ?? [])));
  const before = tried
    .filter((operation) => !stuck.has(operation) && operation.invoked <= last)
    .toSorted((a, b) => b.responded - a.responded)
    .slice(0, CONTEXT);
  const shown = [...before, ...[...stuck].filter(({ invoked }) => invoked <= last)];
  const states = new Set(places.map(({ state }) => stateText(state)));
  return [
    'not linearizable: in no order do these operations give the answers that they gave',
    ...shown.toSorted((a, b) => a.invoked - b.invoked).map((operation) => `  ${operationText(operation)}`),
    ...[...states].slice(0, 4).map((text) => `  the search got as far as: ${text}`),
  ].join('\n');
}

/** The response that no order gets past. */
function lastOf(threads: readonly Operation[][], furthest: readonly Place[]): number {
  const next = furthest.flatMap(({ done }) => threads.flatMap((each, t) => each[done[t]!] ?? []));
  return Math.min(...next.map(({ responded }) => responded));
}

/** Leaves out what comes later, and idle operations without which it still cannot be explained. */
function shorten(
  operations: readonly Operation[],
  furthest: Place[] | readonly Place[],
): { tried: readonly Operation[]; places: readonly Place[] } {
  const last = lastOf(byThread(operations), furthest);
  let tried: readonly Operation[] = operations.filter(({ invoked }) => invoked <= last);
  const startMs = Math.min(...tried.map(({ nowMs }) => nowMs));
  const idle = tried.filter((operation) => isIdle(operation, startMs));
  for (const operation of idle.slice(-MOST_ATTEMPTS)) {
    const without = tried.filter((each) => each !== operation);
    if (search(without).furthest.length > 0) {
      tried = without;
    }
  }
  return { tried, places: search(tried).furthest };
}
