/**
 * A quota pool (src/shared/quota/quota-pool.ts) near its limit, with small blocks, and with a margin that still allows to
 * prefetch. Batches prefetch credits, threads collect, threads die in the middle, and `used` is read meanwhile.
 */

import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { CreditWord, PARTICIPANT_WORDS, Participant, ParticipantWord } from '../../../src/shared/memory/participant.ts';
import { QUOTA_EXHAUSTED, QuotaLayout, QuotaPools } from '../../../src/shared/quota/quota-pool.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { NO_SPINS } from './mutex.ts';

const POOL = LINE_WORDS;
/** Plain words of the scenario: units in use; what threads tell each other; then for each thread what it got. */
const IN_USE = 0;
const TOLD = 1;
const GOT = 2;

const LIMIT = 4;
const BLOCK = 2;

interface Shared {
  words: Words;
}

interface Options {
  margin: number;
  /** Participants that are there besides the threads. */
  others?: number;
  prepare: (players: readonly Player[]) => void;
  /** What each thread does. */
  parts: readonly ((player: Player) => void)[];
  /** One more thread waits for the death of the first, and repairs. */
  repairs?: boolean;
  /** What threads must have got: units for each, or one of several ways. */
  got?: readonly (readonly number[])[];
  /** Only where TOLD is this at the end. */
  ifTold?: number;
}

/** A thread's operations on the pool. A credit that it takes is in use at once. */
class Player {
  readonly participant: Participant;
  readonly pools: QuotaPools;
  readonly #words: Words;
  readonly #thread: number;

  constructor(words: Words, id: number, participants: number, margin: number) {
    this.#words = words;
    this.#thread = id;
    this.participant = new Participant(regionOf(words, participants), id);
    this.participant.spinEstimate = NO_SPINS;
    this.pools = new QuotaPools({ words, maxParticipants: participants, block: BLOCK, margin, prefetchLooks: 0 });
  }

  get #credit(): number {
    return this.participant.base + ParticipantWord.QUOTA_CREDIT + CreditWord.UNITS;
  }

  take(): boolean {
    const isTaken = this.pools.take(POOL, this.participant) !== QUOTA_EXHAUSTED;
    if (isTaken) {
      this.#words[this.#credit]!--;
      this.#use(1);
    }
    return isTaken;
  }

  give(): void {
    this.#use(-1);
    this.#words[this.#credit]!++;
    this.pools.release(POOL, 0, this.participant);
  }

  /** A batch that prefetches up to `count` credits, and uses some of them. */
  batch(count: number, uses: number): void {
    this.endBatch(this.pools.prefetchCredits(POOL, count, this.participant), uses);
  }

  endBatch(taken: number, uses: number): void {
    const { base } = this.participant;
    if (taken > 0) {
      const used = Math.min(taken, uses);
      this.#words[base + ParticipantWord.PREFETCHED_CREDITS]! -= used;
      this.#use(used);
      this.pools.releasePrefetched(POOL, taken - used, this.participant);
    }
  }

  tell(what: number): void {
    this.#words[TOLD] = what;
  }

  get told(): number {
    return this.#words[TOLD]!;
  }

  #use(units: number): void {
    this.#words[GOT + this.#thread]! += units;
    const inUse = this.#words[IN_USE]! + units;
    this.#words[IN_USE] = inUse;
    if (inUse > LIMIT) {
      violate('limit exceeded', `${inUse} credits are in use, of ${LIMIT}`);
    }
  }

  /** Throws unless `used` says between so many units twice, and the second time none that contradict the first. */
  observe(from: number, to: number): void {
    const first = this.pools.used(POOL);
    const second = this.pools.used(POOL);
    const [low, high] = from < to ? [from, to] : [to, from];
    const isInOrder = from < to ? first <= second : first >= second;
    if (Math.min(first, second) < low || Math.max(first, second) > high || !isInOrder) {
      violate('wrong count', `used() says ${first} and then ${second} while it goes from ${from} to ${to}`);
    }
  }

  /** As core/repair does after the first thread. */
  repair(participants: number): void {
    const dead = new Participant(regionOf(this.#words, participants), 0);
    this.pools.repair(POOL, dead);
    this.pools.repairPrefetched(POOL, dead);
    while (this.#words[dead.base + ParticipantWord.QUOTA_CREDIT + CreditWord.UNITS]! > 0) {
      this.pools.releaseLocally(POOL, 0, dead, ParticipantWord.QUOTA_CREDIT + CreditWord.UNITS, -1);
    }
  }
}

function blocksAt(participants: number): number {
  return POOL + QuotaPools.wordsFor(participants);
}

function regionOf(words: Words, participants: number) {
  return { words, base: blocksAt(participants), maxParticipants: participants };
}

function pool({ margin, others = 0, prepare, parts, repairs = false, got, ifTold }: Options): Scenario<Shared> {
  const threads = parts.length + (repairs ? 1 : 0);
  const participants = threads + others;
  const playerOf = (words: Words, id: number) => new Player(words, id, participants, margin);
  return scenario<Shared>({
    threads,
    build() {
      const words = allocateWords(blocksAt(participants) + participants * PARTICIPANT_WORDS);
      const players = Array.from({ length: participants }, (_, id) => playerOf(words, id));
      players[0]!.pools.setLimit(POOL, LIMIT);
      prepare(players);
      words.fill(0, GOT, GOT + participants);
      return { shared: { words }, regions: [{ name: 'pool', words, ranges: [[0, words.length]] }] };
    },
    attach({ words }, thread, stage) {
      const player = playerOf(words, thread);
      return {
        reset() {
          player.participant.spinEstimate = NO_SPINS;
        },
        run() {
          if (thread < parts.length) {
            parts[thread]!(player);
          } else if (stage.awaitDeath(0)) {
            player.repair(participants);
          }
        },
        check() {
          const units = Array.from(words.subarray(GOT, GOT + parts.length));
          const matters = ifTold === undefined || words[TOLD] === ifTold;
          if (got !== undefined && matters && !got.some((way) => way.every((wanted, n) => units[n] === wanted))) {
            violate('refused too early', `the threads have got ${units.join(', ')} credits`);
          }
          checkPool(words, player, participants);
        },
      };
    },
    nameOf: (_shared, _region, index) => nameOf(index, participants),
  });
}

function checkPool(words: Words, player: Player, participants: number): void {
  const inUse = words[IN_USE]!;
  let reserved = words[POOL + QuotaLayout.RESERVED]!;
  for (let id = 0; id < participants; id++) {
    const own = POOL + (1 + id) * QuotaLayout.STRIDE_WORDS;
    reserved -= words[own]! & QuotaLayout.COUNT_MASK;
    if (words[own + QuotaLayout.PREFETCHED] !== 0) {
      violate('lock left held', `participant ${id} still has prefetched credits`);
    }
  }
  if (words[POOL + QuotaLayout.MUTEX] !== 0) {
    violate('lock left held', `the mutex of the pool is ${words[POOL + QuotaLayout.MUTEX]} at the end`);
  }
  if (reserved !== inUse) {
    violate('invariant violated', `${reserved} credits are reserved and not unused, but ${inUse} are in use`);
  }
  if (player.pools.used(POOL) !== inUse) {
    violate('wrong count', `used() says ${player.pools.used(POOL)} at the end, and ${inUse} are in use`);
  }
  /* What is left can be taken, and no more. */
  let left = 0;
  while (left <= LIMIT && player.pools.take(POOL, player.participant) !== QUOTA_EXHAUSTED) {
    left++;
  }
  if (inUse + left !== LIMIT) {
    violate('refused too early', `${inUse} and then ${left} credits could be taken, of ${LIMIT}`);
  }
}

function nameOf(index: number, participants: number): string {
  const at = index - POOL;
  if (at < 0 || index >= blocksAt(participants)) {
    return at < 0 ? `note ${index}` : `block word ${index - blocksAt(participants)}`;
  }
  const participant = Math.floor(at / QuotaLayout.STRIDE_WORDS) - 1;
  const word = at % QuotaLayout.STRIDE_WORDS;
  if (participant >= 0) {
    return `${['unused', 'prefetched'][word] ?? `count ${word}`} of ${participant}`;
  }
  return ['limit', 'reserved', 'mutex', 'generation', '', 'full below'][word] ?? String(word);
}

/** One participant takes `units` credits. The rest of its last block stays in its unused word. */
const takes = (player: Player, units: number) => {
  for (let n = 0; n < units; n++) {
    player.take();
  }
};

/** Thread 0 has one credit in use and one prefetched, thread 1 has the others. */
const lastPrefetched = ([batch, other]: readonly Player[]) => {
  batch!.take();
  batch!.pools.prefetchCredits(POOL, 1, batch!.participant);
  takes(other!, 2);
};

/** A batch releases its credit. The next batch must not prefetch that credit while the other thread collects. */
export const nextBatch = pool({
  margin: 1,
  prepare: lastPrefetched,
  parts: [
    (player) => {
      player.endBatch(1, 0);
      player.batch(1, 0);
    },
    (player) => void player.take(),
  ],
  got: [[0, 1]],
});

/** A batch does not use its credit, and two other threads want it. */
export const batchAndTwo = pool({
  margin: 1,
  others: 1,
  prepare: ([batch, , , other]) => lastPrefetched([batch!, other!]),
  parts: [(player) => player.endBatch(1, 0), (player) => void player.take(), (player) => void player.take()],
  got: [
    [0, 1, 0],
    [0, 0, 1],
  ],
});
/** The batch uses its credit. The thread that waits for it is refused. */
export const batchUsesIt = pool({
  margin: 1,
  prepare: lastPrefetched,
  parts: [(player) => player.endBatch(1, 1), (player) => void player.take()],
  got: [[1, 0]],
});

/** A batch prefetches a credit and does not use it. Meanwhile another thread takes all credits and wants one more. */
const beginsWhileAllIsTaken: Omit<Options, 'repairs'> = {
  margin: 1,
  prepare: ([batch, other]) => {
    takes(batch!, 1);
    takes(other!, 1);
  },
  parts: [(player) => player.batch(1, 0), (player) => takes(player, 3)],
  got: [[0, 2]],
};
export const batchBegins = pool(beginsWhileAllIsTaken);
/** The batch uses its prefetched credit: the limit is not lowered, and a collection must not look like that. */
export const batchGoesOn = pool({
  margin: 1,
  prepare: lastPrefetched,
  parts: [
    (player) => {
      if (!player.pools.mayUseReserved(POOL)) {
        violate('refused too early', 'the limit, which nobody lowers, is said to be below what is reserved');
      }
      player.endBatch(1, 1);
    },
    (player) => void player.take(),
  ],
  got: [[1, 0]],
});

const RELEASED = 1;
const TAKEN_AFTER = 2;
/**
 * Thread 0 releases its only credit. Then thread 1 takes the one in its own word. So there is always a credit for thread 2,
 * which may look at the word of thread 0 before, and at the word of thread 1 after.
 */
export const giveThenTake = pool({
  margin: 2,
  others: 1,
  prepare([giver, taker, , other]) {
    takes(giver!, 1);
    takes(taker!, 1);
    takes(other!, 2);
    taker!.give();
  },
  parts: [
    (player) => {
      player.give();
      player.tell(RELEASED);
    },
    (player) => {
      if (player.take() && player.told === RELEASED) {
        player.tell(TAKEN_AFTER);
      }
    },
    (player) => void player.take(),
  ],
  got: [[-1, 1, 1]],
  ifTold: TAKEN_AFTER,
});

/** All credits but one are in use. That one is in the unused word of a participant that does nothing. */
const oneIdle = ([first, , , idle]: readonly Player[]) => {
  takes(first!, 2);
  takes(idle!, 2);
  idle!.give();
};

export const usedWhileCollecting = pool({
  margin: 1,
  others: 2,
  prepare: oneIdle,
  parts: [(player) => void player.take(), (player) => player.observe(LIMIT - 1, LIMIT)],
  got: [[1]],
});
export const usedOfFull = pool({
  margin: 1,
  others: 1,
  prepare: ([first, , other]) => {
    takes(first!, 2);
    takes(other!, 2);
  },
  parts: [(player) => void player.take(), (player) => player.observe(LIMIT, LIMIT)],
  got: [[0]],
});
export const usedWhileBlockComes = pool({
  margin: 1,
  prepare: () => {},
  parts: [(player) => takes(player, 1), (player) => player.observe(0, 1)],
  got: [[1]],
});
/** Releases the last of four credits, and returns all to the pool. */
export const usedWhileReturning = pool({
  margin: 1,
  prepare: ([first]) => {
    takes(first!, 4);
    for (let n = 0; n < 3; n++) {
      first!.give();
    }
  },
  parts: [
    (player) => {
      player.give();
      player.pools.returnAll(POOL, player.participant);
    },
    (player) => player.observe(1, 0),
  ],
});
/** One credit moves from one thread to the other. */
export const usedWhileMoving = pool({
  margin: 1,
  others: 1,
  prepare: ([giver, , , other]) => {
    takes(giver!, 2);
    takes(other!, 2);
  },
  parts: [
    (player) => player.give(),
    (player) => void player.take(),
    (player) => {
      const used = player.pools.used(POOL);
      if (used < LIMIT - 1 || used > LIMIT) {
        violate('wrong count', `used() says ${used} of ${LIMIT} credits, of which one moves between threads`);
      }
    },
  ],
});

/** Thread 0 dies while it collects. Thread 1 takes a credit from its own word. */
export const collectorDies = pool({
  margin: 1,
  others: 1,
  prepare: ([, taker, , other]) => {
    takes(other!, 2);
    takes(taker!, 2);
    taker!.give();
  },
  parts: [(player) => void player.take(), (player) => void player.take()],
  repairs: true,
});
/** Thread 0 dies while it collects, and thread 1 reads `used` meanwhile. */
export const collectorDiesUnderEyes = pool({
  margin: 1,
  others: 1,
  prepare: ([first, , , other]) => {
    takes(first!, 2);
    takes(other!, 2);
  },
  parts: [(player) => void player.take(), (player) => player.observe(LIMIT, LIMIT)],
  repairs: true,
  got: [[0]],
});
/** Thread 0 dies while its batch prefetches, or ends. The thread that waits for the batch gets the credit. */
export const batchDies = pool({
  margin: 1,
  prepare: lastPrefetched,
  parts: [(player) => player.endBatch(1, 0), (player) => void player.take()],
  repairs: true,
  got: [[0, 1]],
});
export const batchDiesAsItBegins = pool({ ...beginsWhileAllIsTaken, repairs: true });

/** All credits are in use, and a refused thread has noted that in FULL_BELOW. Thread 0 dies while it releases a credit. */
export const releaserDies = pool({
  margin: 1,
  others: 1,
  prepare: ([releaser, , , other]) => {
    takes(releaser!, 2);
    takes(other!, 3);
  },
  parts: [(player) => player.give(), (player) => void player.take()],
  repairs: true,
});
/** Thread 0 dies while it takes a block of credits from the pool. */
export const blockTakerDies = pool({
  margin: 1,
  prepare: () => {},
  parts: [(player) => void player.take(), (player) => void player.take()],
  repairs: true,
});
