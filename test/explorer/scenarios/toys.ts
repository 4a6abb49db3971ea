/** Small programs with known schedules and known faults: what the explorer's own tests are about. */

import {
  add,
  allocateWords,
  load,
  notify,
  pause,
  peek,
  poke,
  store,
  wait,
  type Words,
} from '../../../src/shared/access.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';

interface Shared {
  words: Words;
}

const WORDS = 64;

function toy(
  threads: number,
  run: (words: Words, thread: number) => void,
  options: { check?: (words: Words) => void; end?: number } = {},
): Scenario<Shared> {
  return scenario<Shared>({
    threads,
    build() {
      const words = allocateWords(WORDS);
      return { shared: { words }, regions: [{ name: 'words', words, ranges: [[0, options.end ?? WORDS]] }] };
    },
    attach: ({ words }, thread) => ({
      run: () => run(words, thread),
      ...(options.check === undefined ? {} : { check: () => options.check!(words) }),
    }),
    nameOf: (_shared, _region, index) => (index === 0 ? 'count' : undefined),
  });
}

/** Each appends its number to a log three times, by one access each: a plain write belongs to the access before it. */
export const LOG = 16;
export const appends = toy(2, (words, thread) => {
  for (let i = 0; i < 3; i++) {
    const place = add(words, 0, 1);
    words[LOG + place] = thread + 1;
  }
});

/** Accesses to words of its own between those to the shared one. */
export const mostlyPrivate = toy(2, (words, thread) => {
  for (let i = 0; i < 3; i++) {
    poke(words, 8 + thread, i);
    peek(words, 8 + thread);
    add(words, 0, 1);
  }
});

/** Thread 1 looks at thread 0's private word only if it comes between its two accesses to the shared one. */
export const latelyShared = toy(2, (words, thread) => {
  if (thread === 0) {
    add(words, 0, 1);
    poke(words, 8, 1);
    poke(words, 8, 2);
    poke(words, 8, 0);
    add(words, 0, 1);
  } else if (load(words, 0) === 1 && peek(words, 8) === 2) {
    violate('lost value', 'the word is seen as it was in between');
  }
});

/** A plain write that another thread sees: no scheduling point of its own. */
export const plainRace = toy(2, (words, thread) => {
  if (thread === 0) {
    store(words, 0, 1);
    words[9] = 1;
    load(words, 0);
    words[9] = 0;
  } else if (peek(words, 20) === 0 && peek(words, 9) !== 0) {
    violate('lost value', 'the word is seen as it was in between');
  }
});

export const lostUpdate = toy(
  3,
  (words) => {
    const before = load(words, 0);
    store(words, 0, before + 1);
  },
  {
    check(words) {
      if (words[0] !== 3) {
        violate('lost update', `the counter is ${words[0]}`);
      }
    },
  },
);

/** The one looks, then sleeps; the other wakes in between: only in some schedules. */
export const lostWakeUp = toy(2, (words, thread) => {
  if (thread === 0) {
    if (load(words, 0) === 0) {
      wait(words, 1, 0);
    }
  } else {
    store(words, 0, 1);
    notify(words, 1, 1);
  }
});

/** As lostWakeUp, with a timeout that hides it. */
export const hiddenWakeUp = toy(2, (words, thread) => {
  if (thread === 0) {
    if (load(words, 0) === 0) {
      wait(words, 1, 0, 5);
    }
  } else {
    store(words, 0, 1);
    notify(words, 1, 1);
  }
});

/** Sleepers are woken in the order in which they came, one by one. */
export const firstComeFirstServed = toy(3, (words, thread) => {
  if (thread < 2) {
    const turn = add(words, 1, 1);
    wait(words, 0, 0);
    if (add(words, 2, 1) !== turn) {
      violate('lost update', `sleeper ${turn} did not wake in turn`);
    }
    notify(words, 0, 1);
    return;
  }
  while (load(words, 1) < 2) {
    pause();
  }
  /* Both may still be on their way to sleep. */
  while (notify(words, 0, 1) === 0) {
    pause();
  }
});

/** Spins until the other has written: no preemption is needed for that. */
export const spins = toy(2, (words, thread) => {
  if (thread === 1) {
    store(words, 0, 1);
    return;
  }
  while (load(words, 0) === 0) {
    pause();
  }
});

export const spinsForEver = toy(2, (words, thread) => {
  if (thread === 0) {
    while (load(words, 0) === 0) {
      pause();
    }
  }
});

/** Leaves the word as it found it only in the first run. */
export const keepsState = toy(
  2,
  (words, thread) => {
    if (thread === 0) {
      add(words, 40, 1);
    }
    add(words, 0, 1);
    add(words, 0, 1);
  },
  { end: 32 },
);

export const throws = toy(2, (words, thread) => {
  if (add(words, 0, 1) === 1 && thread === 0) {
    throw new TypeError('of all things');
  }
});

export const touchesOthers = toy(1, () => void load(allocateWords(1), 0));
