/**
 * Decides whether the history of one flow is linearizable: whether the steps have an order in which the model (model.ts) gives all
 * recorded answers. Each step must lie between the invocation and the response of its operation. The search follows Wing and
 * Gong. Like Lowe's, it never visits a place twice. A place is the progress of each thread, the plans of unfinished operations,
 * and the state of the model. Each thread does one operation at a time, so there are few places.
 */

import { Kind, operationText, type Operation } from './operation.ts';
import { INITIAL, type Plan, type State, stateKey, stateText, stepsOf } from './model.ts';

interface Place {
  /** For each thread: the number of completed operations. */
  done: readonly number[];
  /** For each thread: the plan of its next operation. */
  plans: readonly Plan[];
  state: State;
}

export interface Verdict {
  isLinearizable: boolean;
  /** Number of places that the search visited. */
  places: number;
  /** A text about the operations without an explanation; empty if the history is linearizable. */
  report: string;
}

/** A limit for memory: a place takes some hundred bytes. Histories of hundreds of operations need some thousand places. */
const MOST_PLACES = 2_000_000;

function placeKey(place: Place): string {
  return `${place.done.join()}|${place.plans.join()}|${stateKey(place.state)}`;
}

/** @param operations the operations of all threads on one flow, in any order */
export function checkFlow(operations: readonly Operation[]): Verdict {
  const { furthest, places } = search(operations);
  return {
    isLinearizable: furthest.length === 0,
    places,
    report: furthest.length === 0 ? '' : reportOf(operations, furthest),
  };
}

/** @returns the places with the most completed operations; none if an order explains all operations */
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

/** All places that one step reaches. */
function placesAfter(place: Place, threads: readonly Operation[][]): Place[] {
  const { done, plans, state } = place;
  /* An operation that was invoked after this response must follow the operation that it ended. */
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

/** Number of completed operations in a report, before those without an explanation. */
const CONTEXT = 8;
/** A report tries to leave out at most this number of operations. */
const MOST_ATTEMPTS = 200;

/** Whether the operation neither found nor changed anything. If a history has no explanation without it, it has none with it. */
function isIdle({ kind, conn, removed, nowMs }: Operation, startMs: number): boolean {
  const isIdleSweep = kind === Kind.sweep && nowMs === startMs;
  return isIdleSweep || (kind === Kind.look && conn === 0) || (kind === Kind.flushTuple && !removed);
}

/** A text about the operations that the search could not explain, and about the operations before them. */
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

/** The time of the first response that no order reaches. */
function lastOf(threads: readonly Operation[][], furthest: readonly Place[]): number {
  const next = furthest.flatMap(({ done }) => threads.flatMap((each, t) => each[done[t]!] ?? []));
  return Math.min(...next.map(({ responded }) => responded));
}

/** Leaves out later operations, and idle operations that are not needed to show the fault. */
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
