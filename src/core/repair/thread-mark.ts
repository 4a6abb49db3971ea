/**
 * Records which thread has a participant slot, so that a repair can refuse to act for a living thread.
 *
 * On Linux a thread is identified by its system thread id and its start time, because the system reuses ids. On other systems, or
 * if /proc cannot be read, a thread can identify only itself. All others then count as gone, and the caller of a repair must know
 * that the thread is gone.
 */

import { readFileSync } from 'node:fs';
import { load, store } from '../../shared/access.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';

interface ThreadMark {
  id: number;
  startedTicks: number;
}

const TASKS = '/proc/self/task';
/**
 * The system may show a thread for so long after its 'exit' event. A thread may also take so long to write its mark
 * after it has claimed a slot.
 */
const MAX_LINGER_MS = 100;
const POLL_MS = 1;
/**
 * Indexes among the fields after the name in a stat file: state, and start time in ticks (fields 3 and 22 of proc(5)).
 */
const STATE_FIELD = 0;
const STARTED_FIELD = 19;

function statOf(path: string): { state: string; mark: ThreadMark } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
  /* The name is in brackets, and may contain any character. */
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[STATE_FIELD]!,
    mark: { id: Number.parseInt(text, 10), startedTicks: Number(fields[STARTED_FIELD]) | 0 },
  };
}

let own: ThreadMark | undefined;

/** The calling thread's mark. Without /proc its id is a random negative number, which is most likely unique. */
function ownMark(): ThreadMark {
  own ??= statOf('/proc/thread-self/stat')?.mark ?? {
    id: -2 - Math.floor(Math.random() * 0x7ffffffe),
    startedTicks: 0,
  };
  return own;
}

/** Records that the calling thread has this participant slot. */
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

/** Does the system show the thread that has recorded itself in this slot? */
export function isThreadShown({ words, base }: Participant): boolean {
  const id = load(words, base + ParticipantWord.THREAD);
  return id !== 0 && isRunning({ id, startedTicks: words[base + ParticipantWord.THREAD_STARTED]! });
}

/**
 * Is the thread of this slot alive, as far as the system shows? Waits a little for a thread that is just ending, and
 * for one that has claimed the slot and not recorded itself yet.
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
