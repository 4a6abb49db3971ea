/**
 * What the tracker promises about one flow, as a machine that does one step at a time. An operation is one step, or a few in
 * turn where the tracker promises no more:
 *
 *   - A packet that finds its connection answers in one step and extends it in a later one. If it was removed in
 *     between, it stays removed.
 *   - What has expired by an operation's clock is removed by it later (`remove`), even if a packet whose clock is behind
 *     has found and extended it meanwhile: the decision was made. With one clock for all this cannot be seen.
 *   - A forced commit that finds the other direction kills it in one step and commits in a later one.
 *   - A translated connection can be found by its answers a step before it can be found by its own packets.
 *   - A sweep may pass over what has expired; nobody can see whether it did.
 *   - A flush of a zone walks over the table. It removes what was there all the time, and may meet what took its place: a
 *     step for each.
 *
 * Not modelled, since not promised: a full table (who is refused, and the reply to an evicted connection), and expiry where
 * timeouts differ by state: of two packets that move UDP on at the same moment, the one that writes last decides about the time.
 */

import { Answer, Kind, type Operation } from './operation.ts';

/** Every state of a connection lasts so long, ms. */
export const TIMEOUT_MS = 1000;

/** How far the conversation of a connection got. */
const Stage = { oneWay: 1, bothWays: 2 } as const;

export interface Conn {
  /** Names the connection inside the model: the stamp of the operation that created it. */
  token: number;
  /** As operations were told; 0: nobody was yet. */
  id: number;
  /** Direction of the packet that opened it. */
  direction: number;
  stage: number;
  expiresMs: number;
  /** Can its own packets find it? */
  isLinked: boolean;
  /** To what port its packets are translated, 0: to none. */
  port: number;
}

export interface State {
  conn: Conn | null;
  /** Connections that were, the latest last. */
  gone: readonly number[];
}

/** Where an operation stands between its steps: what it will do, to which connection. */
export type Plan = '' | `${'extend' | 'kill' | 'remove' | 'link'} ${number}` | 'walk on';

export interface Step {
  state: State;
  /** null: the operation is complete. */
  plan: Plan | null;
}

export const INITIAL: State = { conn: null, gone: [] };
/** More than can be in anybody's hands. */
const GONE_REMEMBERED = 6;

/** Ports that answers to a translated flow go to: the first that a search tries. */
export const NAT_PORT = 5000;

/** All steps that the operation may take next. */
export function stepsOf(operation: Operation, plan: Plan, state: State): Step[] {
  if (plan === 'walk on') {
    return flushSteps(state);
  }
  if (plan !== '') {
    return [goOn(operation, plan, state)];
  }
  const { conn } = state;
  switch (operation.kind) {
    case Kind.flushZone:
      return flushSteps(state);
    case Kind.sweep:
      return [{ state, plan: null }, ...removals(operation, state)];
    default:
      return conn !== null && isVisible(operation, conn) ? meet(operation, state, conn) : miss(operation, state);
  }
}

/** The flush meets what is there, and may come by again. */
function flushSteps(state: State): Step[] {
  const after = state.conn?.isLinked ? without(state) : state;
  return [
    { state: after, plan: null },
    { state: after, plan: 'walk on' },
  ];
}

function isVisible(operation: Operation, conn: Conn): boolean {
  if (operation.direction === conn.direction) {
    return conn.isLinked;
  }
  return conn.port === 0 || conn.port === NAT_PORT;
}

function goOn(operation: Operation, plan: string, state: State): Step {
  const [verb, token] = plan.split(' ');
  const { conn } = state;
  const isThere = conn !== null && conn.token === Number(token);
  switch (verb) {
    case 'extend':
      return {
        state: isThere ? { ...state, conn: { ...conn, expiresMs: operation.nowMs + TIMEOUT_MS } } : state,
        plan: null,
      };
    case 'link':
      return { state: isThere ? { ...state, conn: { ...conn, isLinked: true } } : state, plan: null };
    default: {
      const after = isThere ? without(state) : state;
      return { state: after, plan: operation.kind === Kind.sweep ? null : '' };
    }
  }
}

function without(state: State): State {
  const { conn, gone } = state;
  return { conn: null, gone: conn === null || conn.id === 0 ? gone : [...gone, conn.id].slice(-GONE_REMEMBERED) };
}

/** The step that decides to remove what has expired, if it has. */
function removals(operation: Operation, { conn, gone }: State): Step[] {
  return conn !== null && operation.nowMs >= conn.expiresMs
    ? [{ state: { conn, gone }, plan: `remove ${conn.token}` }]
    : [];
}

/** The operation finds a connection, which may have expired by its clock. */
function meet(operation: Operation, state: State, conn: Conn): Step[] {
  if (operation.nowMs >= conn.expiresMs) {
    const passes = operation.kind === Kind.look || operation.kind === Kind.flushTuple ? miss(operation, state) : [];
    return [...passes, ...removals(operation, state)];
  }
  const isReply = operation.direction !== conn.direction;
  switch (operation.kind) {
    case Kind.flushTuple:
      return operation.removed ? [{ state: without(state), plan: null }] : [];
    case Kind.force:
      return isReply ? [{ state, plan: `kill ${conn.token}` }] : answer(operation, state, conn, isReply);
    default:
      return answer(operation, state, conn, isReply);
  }
}

/** The packet belongs to the connection: is that what it was told? */
function answer(operation: Operation, state: State, conn: Conn, isReply: boolean): Step[] {
  const stage = isReply ? Stage.bothWays : conn.stage;
  const opened = stage === Stage.bothWays ? Answer.established : Answer.new;
  if (operation.answer !== (isReply ? Answer.reply : opened)) {
    return [];
  }
  if (operation.kind === Kind.nat) {
    return operation.port === conn.port
      ? [{ state: { ...state, conn: { ...conn, stage } }, plan: `extend ${conn.token}` }]
      : [];
  }
  const id = operation.conn;
  if (id === 0 || (conn.id === 0 ? state.gone.includes(id) : conn.id !== id)) {
    return [];
  }
  return [{ state: { ...state, conn: { ...conn, stage, id } }, plan: `extend ${conn.token}` }];
}

/** The operation finds nothing. */
function miss(operation: Operation, state: State): Step[] {
  const { kind, nowMs, invoked, direction, port } = operation;
  if (kind === Kind.flushTuple) {
    return operation.removed ? [] : [{ state, plan: null }];
  }
  if (operation.answer !== Answer.new) {
    return [];
  }
  if (kind === Kind.look) {
    return operation.conn === 0 ? [{ state, plan: null }] : [];
  }
  const conn = { token: invoked, direction, stage: Stage.oneWay, expiresMs: nowMs + TIMEOUT_MS };
  if (kind === Kind.nat) {
    /* One that is being linked has its buckets locked. */
    return state.conn === null && port !== 0
      ? [{ state: { ...state, conn: { ...conn, id: 0, isLinked: false, port } }, plan: `link ${invoked}` }]
      : [];
  }
  const id = operation.conn;
  if (id === 0 || state.gone.includes(id)) {
    return [];
  }
  return [{ state: { ...state, conn: { ...conn, id, isLinked: true, port: 0 } }, plan: null }];
}

export function stateKey({ conn, gone }: State): string {
  return conn === null
    ? `-/${gone.join()}`
    : `${conn.token},${conn.id},${conn.direction},${conn.stage},${conn.expiresMs},${conn.isLinked},${conn.port}/${gone.join()}`;
}

export function stateText({ conn }: State): string {
  if (conn === null) {
    return 'no connection';
  }
  const stage = conn.stage === Stage.bothWays ? 'answered' : 'one way';
  return `a connection opened by ${conn.direction === 0 ? 'orig' : 'reply'}, ${stage}, until ${conn.expiresMs} ms`;
}
