/**
 * A schedule as text: whatever differs from "each thread runs until it cannot go on, then the next that can".
 *
 *   "2 begins, 17:0, 40:1, 52:dies"    thread 2 begins, at step 17 thread 0 gets the turn, ...
 *
 * compactly `b2 17.0 40.1 52.x`. A schedule without decisions is `-`.
 */

import { type Board, DIES, nextReady, FIRST_FREE, stepChosen, stepCode, stepThread, traceWord } from './board.ts';
import { BEGIN } from './crew.ts';

export function scheduleText(decisions: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < decisions.length; i += 2) {
    const [step, choice] = [decisions[i]!, decisions[i + 1]!];
    parts.push(step === BEGIN ? `b${choice}` : `${step}.${choice === DIES ? 'x' : choice}`);
  }
  return parts.length === 0 ? '-' : parts.join(' ');
}

/** @throws Error if the text is no schedule */
export function parseSchedule(text: string): number[] {
  if (text.trim() === '-') {
    return [];
  }
  return text
    .trim()
    .split(/\s+/)
    .flatMap((part) => {
      const match = /^(?:b(\d)|(\d+)\.(\d|x))$/.exec(part);
      if (match === null) {
        throw new Error(`"${part}" is no decision of a schedule; expected b<thread>, <step>.<thread> or <step>.x`);
      }
      const [, first, step, choice] = match;
      return first !== undefined ? [BEGIN, Number(first)] : [Number(step), choice === 'x' ? DIES : Number(choice)];
    });
}

/** The decisions by which the last run on the board can be repeated, whatever made them. */
export function decisionsOf(board: Board, steps: number, threads: number): number[] {
  const decisions: number[] = [];
  const first = steps > 0 ? stepThread(board[traceWord(0)]!) : 0;
  if (first !== 0) {
    decisions.push(BEGIN, first);
  }
  for (let step = 0; step < steps; step++) {
    const at = traceWord(step);
    const word = board[at]!;
    const thread = stepThread(word);
    const isFree = stepCode(word) >= FIRST_FREE;
    const byDefault = isFree ? nextReady(board[at + 1]!, thread, threads) : thread;
    if (stepChosen(word) !== byDefault) {
      decisions.push(step, stepChosen(word));
    }
  }
  return decisions;
}
