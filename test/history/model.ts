/**
 * The promises of the tracker about one flow, as a machine that does one step at a time. An operation is one step, or a few steps
 * where the tracker does not promise that they happen together:
 *
 *   - A packet that finds its connection gets its verdict in one step and extends the timeout in a later one. If the connection
 *     was removed in between, it stays removed.
 *   - An operation decides by its own clock that a connection has expired, and removes it in a later step (`remove`). It removes
 *     it even if a packet with an earlier clock has extended it meanwhile. With one clock for all threads this cannot be seen.
 *   - A forced commit that finds a connection of the other direction kills it in one step and commits in a later one.
 *   - Replies find a translated connection one step before its own packets do.
 *   - A sweep may skip an expired connection. Its answer does not show whether it did.
 *   - A flush of a zone walks over the table. It removes each connection that is there all the time, and may remove its
 *     successor, with one step for each.
 *
 * The model leaves out promises that the tracker does not make. One is a full table: which packet is refused, and the verdict on a
 * reply to an evicted connection. The other is expiry if timeouts differ by state: if two packets change the state of a UDP
 * connection at the same moment, the last write decides about the timeout.
 */

import { Answer, Kind, type Operation } from './operation.ts';

/** The timeout of every state of a connection, in ms. */
export const TIMEOUT_MS = 1000;

/** Whether a connection has seen packets in one direction or in both. */
const Stage = { oneWay: 1, bothWays: 2 } as const;

export interface Conn {
  /** Names the connection inside the model: the stamp of the operation that created it. */
  token: number;
  /** The id in the verdicts of operations; 0 if no verdict has shown it yet. */
  id: number;
  /** Direction of the packet that opened it. */
  direction: number;
  stage: number;
  expiresMs: number;
  /** Whether its own packets can find it. */
  isLinked: boolean;
  /** The translated port of its packets; 0 without translation. */
  port: number;
}

export interface State {
  conn: Conn | null;
  /** Ids of removed connections, the latest last. */
  gone: readonly number[];
}

/** The next step of an operation that is not complete, and the connection that it concerns. */
export type Plan = '' | `${'extend' | 'kill' | 'remove' | 'link'} ${number}` | 'walk on';

export interface Step {
  state: State;
  /** null: the operation is complete. */
  plan: Plan | null;
}

export const INITIAL: State = { conn: null, gone: [] };
/** More than unfinished operations can still refer to. */
const GONE_REMEMBERED = 6;

/** The translated port of the flows: the first one that the search for a free port tries. */
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

/** The flush removes the present connection, and may meet a later one. */
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

/** The step that decides to remove the connection, if it has expired by the operation's clock. */
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

/** The steps of a packet that belongs to the connection; none if its recorded verdict says otherwise. */
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

/** The operation finds no connection. */
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
    /* While a connection is being linked, its buckets are locked. */
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
  const stage = conn.stage === Stage.bothWays ? 'replied' : 'one way';
  return `a connection opened by ${conn.direction === 0 ? 'orig' : 'reply'}, ${stage}, until ${conn.expiresMs} ms`;
}
