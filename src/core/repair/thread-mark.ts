/**
 * Which thread has a place at the table, so that nobody repairs after one that lives.
 *
 * On Linux a thread is known by its number in the system and by the time at which it started, since numbers are used again.
 * Elsewhere, or where /proc cannot be read, a thread knows no more than itself: others count as gone, and whoever repairs after
 * them must be certain of it.
 */

import { readFileSync } from 'node:fs';
import { load, store } from '../../shared/access.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';

interface ThreadMark {
  id: number;
  startedTicks: number;
}

const TASKS = '/proc/self/task';
/** The system may show a thread for a moment after its 'exit' event. And so long a thread may take to say that it has a place. */
const MAX_LINGER_MS = 100;
const POLL_MS = 1;
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
    id: -2 - Math.floor(Math.random() * 0x7ffffffe),
    startedTicks: 0,
  };
  return own;
}

/** Notes that the calling thread has this place. */
export function markThread({ words, base }: Participant): void {
  const { id, startedTicks } = ownMark();
  words[base + ParticipantWord.THREAD_STARTED] = startedTicks;
  store(words, base + ParticipantWord.THREAD, id);
}

function isRunning({ id, startedTicks }: ThreadMark): boolean {
  if (id === ownMark().id) {
    return startedTicks === ownMark().startedTicks;
  }
  const stat = id > 0 ? statOf(`${TASKS}/${id}/stat`) : undefined;
  return stat !== undefined && stat.mark.startedTicks === startedTicks && !'XZ'.includes(stat.state);
}

/** Does the system show the thread that has said that it has this place? */
export function isThreadShown({ words, base }: Participant): boolean {
  const id = load(words, base + ParticipantWord.THREAD);
  return id !== 0 && isRunning({ id, startedTicks: words[base + ParticipantWord.THREAD_STARTED]! });
}

/**
 * Does the thread that has this place live, as far as can be known? Waits a little for one that is just ending, and for one that
 * has just taken the place and has not said so yet.
 */
export function isThreadAlive({ words, base }: Participant): boolean {
  const deadline = performance.now() + MAX_LINGER_MS;
  for (;;) {
    const id = load(words, base + ParticipantWord.THREAD);
    const isKnown = id !== 0;
    if (isKnown && !isRunning({ id, startedTicks: words[base + ParticipantWord.THREAD_STARTED]! })) {
      return false;
    }
    if (id === ownMark().id || performance.now() > deadline) {
      return isKnown;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}
