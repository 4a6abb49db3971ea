/** Jobs of the tests of repair in which other threads wait for the dead one. */

import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import { setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { forgetHeld } from '../../src/shared/sync/lockdep.ts';
import { serve } from './serve.ts';
import { signal, waitForSignal } from './steps.ts';
import { pretendDead } from '../support/participant-slots.ts';

export interface Waiting {
  memory: TrackerMemory;
  frames: Uint8Array[];
  nowMs: number;
  /** Word of the lock, in the memory of the table or of held fragments. */
  index: number;
  isOfFragments: boolean;
  /** The victim dies as soon as it holds the lock; or goes on when it is told, and dies between its release and its notify. */
  dies: 'holding it' | 'before it wakes anybody';
  /** Two words: set when the victim has stopped, and when it may continue. */
  signals: Words;
}

class Killed extends Error {}

const batch = PacketBatch.allocate(1 << 15);

function send(ct: Conntrack, { frames, nowMs }: Waiting): string[] {
  batch.clear();
  for (const frame of frames) {
    batch.add(frame);
  }
  ct.execute(batch, new CtAction({ commit: true }), nowMs);
  return Array.from({ length: batch.count }, (_, i) => stateText(batch.state(i)));
}

const jobs = {
  /** Sends the frames and dies with the lock. @returns its participant */
  die(plan: Waiting): number {
    const ct = Conntrack.attach(plan.memory);
    const lockWords = plan.isOfFragments ? plan.memory.fragments : plan.memory.words;
    let isHeld = false;
    setSchedulingHook((kind, words, index) => {
      const isLock = words.buffer === lockWords.buffer && index === plan.index;
      if (isLock && kind === 'notify') {
        throw new Killed();
      }
      if (isHeld && plan.dies === 'holding it') {
        throw new Killed();
      }
      if (isHeld) {
        isHeld = false;
        signal(plan.signals, 0, 1);
        waitForSignal(plan.signals, 1, 1);
      } else if (isLock && kind === 'compareExchange') {
        isHeld = true;
      }
    });
    try {
      send(ct, plan);
    } catch (error) {
      if (!(error instanceof Killed)) {
        throw error;
      }
      pretendDead(ct);
      return ct.participant;
    } finally {
      setSchedulingHook(undefined);
      forgetHeld();
    }
    throw new Error('it did not die');
  },

  /** Flushes, and dies before it takes the first bucket lock. @returns its participant */
  dieRemoving(plan: Waiting): number {
    const ct = Conntrack.attach(plan.memory);
    setSchedulingHook((kind, _words, index) => {
      if (kind === 'compareExchange' && index === plan.index) {
        throw new Killed();
      }
    });
    try {
      ct.flush();
    } catch (error) {
      if (!(error instanceof Killed)) {
        throw error;
      }
    } finally {
      setSchedulingHook(undefined);
      forgetHeld();
    }
    pretendDead(ct);
    return ct.participant;
  },

  /** Takes over a vacant slot; another thread claims it just before. @returns the other thread's participant, and the first one's error */
  takeOverTwice(): { first: number; error: string } {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 2 });
    const dead = Conntrack.attach(ct.memory);
    pretendDead(dead);
    const { participant, token } = ct.repair(dead.participant);
    let first = -1;
    setSchedulingHook((kind) => {
      if (kind === 'compareExchange') {
        setSchedulingHook(undefined);
        first = Conntrack.attach(ct.memory).participant;
      }
    });
    try {
      Conntrack.attach(ct.memory, { participant, token });
      return { first, error: 'none' };
    } catch (error) {
      return { first, error: (error as Error).message };
    } finally {
      setSchedulingHook(undefined);
    }
  },

  /** Sends the frames. @returns their states */
  wait(plan: Waiting): string[] {
    const ct = Conntrack.attach(plan.memory);
    const states = send(ct, plan);
    ct.close();
    return states;
  },
};

export type RepairWaiterJobs = typeof jobs;
serve(jobs);
