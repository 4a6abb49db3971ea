/**
 * Which thread has a place at the table, so that nobody repairs after one that lives.
 *
 * On Linux a thread is known by its number in the system and by the time at which it started, since numbers are used again.
 * Elsewhere, or where /proc cannot be read, a thread knows no more than itself: others count as gone, and whoever repairs after
 * them must be certain of it.
 */

import { readFileSync } from 'node:fs';
import { type Participant, ParticipantWord } from '../shared/participant.ts';

interface ThreadMark {
  id: number;
  startedTicks: number;
}

const TASKS = '/proc/self/task';
/** The system may show a thread for a moment after its 'exit' event. */
const LINGERS_MS = 100;
const LOOK_AGAIN_MS = 1;
/** Of the fields behind the name in a stat file: state, and start time in ticks (fields 3 and 22 of proc(5)). */
const STATE_FIELD = 0;
const STARTED_FIELD = 19;

function statOf(path: string): { state: string; mark: ThreadMark } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
  /* The name is in brackets, and may hold anything. */
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[STATE_FIELD]!,
    mark: { id: Number.parseInt(text, 10), startedTicks: Number(fields[STARTED_FIELD]) | 0 },
  };
}

let own: ThreadMark | undefined;

/** The calling thread. Where the system does not tell, a negative number that is most likely no other thread's. */
function ownMark(): ThreadMark {
  own ??= statOf('/proc/thread-self/stat')?.mark ?? {
    id: -1 - Math.floor(Math.random() * 0x7fffffff),
    startedTicks: 0,
  };
  return own;
}

/** Notes that the calling thread has this place. */
export function markThread({ words, base }: Participant): void {
  const { id, startedTicks } = ownMark();
  words[base + ParticipantWord.THREAD] = id;
  words[base + ParticipantWord.THREAD_STARTED] = startedTicks;
}

function isRunning({ id, startedTicks }: ThreadMark): boolean {
  if (id === ownMark().id) {
    return startedTicks === ownMark().startedTicks;
  }
  const stat = id > 0 ? statOf(`${TASKS}/${id}/stat`) : undefined;
  return stat !== undefined && stat.mark.startedTicks === startedTicks && !'XZ'.includes(stat.state);
}

/**
 * Does the thread that has this place live, as far as can be known? Waits a little for one that is just ending.
 */
export function isThreadAlive({ words, base }: Participant): boolean {
  const mark = {
    id: words[base + ParticipantWord.THREAD]!,
    startedTicks: words[base + ParticipantWord.THREAD_STARTED]!,
  };
  const deadline = performance.now() + LINGERS_MS;
  while (isRunning(mark)) {
    if (mark.id === ownMark().id || performance.now() > deadline) {
      return true;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
  return false;
}
