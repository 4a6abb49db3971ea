/**
 * Loaded first in every worker of a datapath (CT_WORKER_IMPORT): stops one of them for good at the n-th shared access of a
 * piece of work, where a test then terminates it.
 */

import { getEnvironmentData } from 'node:worker_threads';
import { type AccessKind, setSchedulingHook, type Words } from '../../src/shared/access.ts';

export const STOP_WORDS_KEY = 'ct-bucket: where to stop';

/** Words that the test shares with the workers. */
export const StopWord = {
  /** Word of the heartbeat in the status words of the worker that is to stop; 0: nobody. */
  HEARTBEAT: 0,
  /** The access to stop before, counted from 1 on. */
  ACCESS: 1,
  /** 1: counting starts with the piece of work; 2: with its first removal. */
  FROM: 2,
  /** 1: it has stopped there. 2: the piece of work was done before. */
  OUTCOME: 3,
  /** Accesses counted. */
  COUNTED: 4,
  /** Length of the status words, by which they are told from others. */
  STATUS_WORDS: 5,
} as const;

const stop = getEnvironmentData(STOP_WORDS_KEY) as Words | undefined;
let counted = -1;
let isAtWork = false;

function isBeat(stop: Words, kind: AccessKind, words: Words, index: number): boolean {
  return kind === 'poke' && words.length === stop[StopWord.STATUS_WORDS] && index === stop[StopWord.HEARTBEAT];
}

function tell(stop: Words, outcome: number): void {
  counted = -1;
  stop[StopWord.HEARTBEAT] = 0;
  Atomics.store(stop, StopWord.OUTCOME, outcome);
}

if (stop !== undefined) {
  setSchedulingHook((kind, words, index) => {
    if (stop[StopWord.HEARTBEAT] === 0) {
      return;
    }
    if (isBeat(stop, kind, words, index)) {
      if ((words[index]! & 1) === 0) {
        isAtWork = true;
        counted = stop[StopWord.FROM] === 1 ? 0 : -1;
        return;
      }
      isAtWork = false;
      if (counted >= 0) {
        stop[StopWord.COUNTED] = counted;
        tell(stop, 2);
      }
      return;
    }
    if (counted < 0 && kind === 'or' && stop[StopWord.FROM] === 2 && isAtWork) {
      counted = 0;
    }
    if (counted >= 0 && ++counted === stop[StopWord.ACCESS]) {
      tell(stop, 1);
      for (;;) {
        Atomics.wait(stop, StopWord.COUNTED, stop[StopWord.COUNTED]!);
      }
    }
  });
}
