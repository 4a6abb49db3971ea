/** Operations of a history: the action of a thread on a flow, its answer, and its time. */

import type { Words } from '../../src/shared/access.ts';

/** look: a packet without commit. nat: a packet with commit and translation. flushZone and sweep concern many flows. */
export const Kind = { look: 0, commit: 1, force: 2, nat: 3, flushTuple: 4, flushZone: 5, sweep: 6 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];
const KIND_NAMES = ['look', 'commit', 'force-commit', 'nat-commit', 'flush-tuple', 'flush-zone', 'sweep'];

/** The verdict on a packet. */
export const Answer = { none: 0, new: 1, established: 2, reply: 3, other: 4 } as const;
export type Answer = (typeof Answer)[keyof typeof Answer];
const ANSWER_NAMES = ['-', 'new', 'est', 'est|rpl', 'other'];

export interface Operation {
  thread: number;
  kind: Kind;
  /** The flow; for flushZone the zone. */
  flow: number;
  /** 0: with the original tuple of the flow, 1: with the reply tuple. */
  direction: number;
  /** The time of the operation's clock, in ms. */
  nowMs: number;
  /** Stamps of a counter that all threads share. The operation happened between the two. */
  invoked: number;
  responded: number;
  answer: Answer;
  /** For flushTuple: whether it removed a connection. */
  removed: boolean;
  /** The id of the connection in the verdict; 0: none. Two connections never have the same id. */
  conn: number;
  /** For nat: the translated port. */
  port: number;
}

const OPERATION_WORDS = 12;

/** Words for `count` operations of one thread. */
export function historyWords(count: number): number {
  return 1 + count * OPERATION_WORDS;
}

/** Records a thread's part of a history, in memory that it shares with the checker. */
export class Recorder {
  readonly #words: Words;
  #count = 0;

  constructor(words: Words) {
    this.#words = words;
    words[0] = 0;
  }

  record(operation: Omit<Operation, 'thread'>): void {
    const { kind, flow, direction, nowMs, invoked, responded, answer, removed, conn, port } = operation;
    const at = 1 + this.#count++ * OPERATION_WORDS;
    const generation = Math.trunc(conn / CONN_GENERATION);
    this.#words.set([kind, flow, direction, nowMs, invoked, responded, answer, removed ? 1 : 0], at);
    this.#words.set([conn % CONN_GENERATION, generation, port], at + 8);
    this.#words[0] = this.#count;
  }
}

/** `Operation.conn` is the record plus this factor times its generation. */
export const CONN_GENERATION: number = 2 ** 24;

export function readHistory(words: Words, thread: number): Operation[] {
  return Array.from({ length: words[0]! }, (_, i) => {
    const at = 1 + i * OPERATION_WORDS;
    return {
      thread,
      kind: words[at] as Kind,
      flow: words[at + 1]!,
      direction: words[at + 2]!,
      nowMs: words[at + 3]!,
      invoked: words[at + 4]!,
      responded: words[at + 5]!,
      answer: words[at + 6] as Answer,
      removed: words[at + 7] !== 0,
      conn: words[at + 8]! + words[at + 9]! * CONN_GENERATION,
      port: words[at + 10]!,
    };
  });
}

function connText(conn: number): string {
  return conn === 0 ? 'no connection' : `connection ${conn % CONN_GENERATION}#${Math.trunc(conn / CONN_GENERATION)}`;
}

/** One line with the time, the thread, the operation and its answer. */
export function operationText(operation: Operation): string {
  const { thread, kind, direction, nowMs, invoked, responded, answer, removed, conn, port } = operation;
  const isGlobal = kind === Kind.flushZone || kind === Kind.sweep;
  const what = `${KIND_NAMES[kind]}${isGlobal ? '' : direction === 0 ? ' orig' : ' reply'}`;
  let told = '';
  if (kind === Kind.flushTuple) {
    told = removed ? 'removed' : 'nothing there';
  } else if (kind === Kind.nat) {
    told = `${ANSWER_NAMES[answer]}, port ${port}`;
  } else if (!isGlobal) {
    told = `${ANSWER_NAMES[answer]}, ${connText(conn)}`;
  }
  const span = `[${String(invoked).padStart(6)},${String(responded).padStart(6)}]`;
  return `${span}  thread ${thread}  ${what.padEnd(20)} at ${nowMs} ms  ${told}`.trimEnd();
}
