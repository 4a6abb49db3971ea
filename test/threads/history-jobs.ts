/** Jobs of the tests of linearizability: threads that do random things with a few flows and write down what they were told. */

import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { CtState, PacketWord } from '../../src/core/packet/layout.ts';
import type { Tuple } from '../../src/core/inspect/tuple.ts';
import { CHECKED, pause, setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { isTranslated, zoneOf, ZONES } from '../history/flows.ts';
import { NAT_PORT, TIMEOUT_MS } from '../history/model.ts';
import { Answer, CONN_GENERATION, Kind, Recorder } from '../history/operation.ts';
import { reverse, udp } from '../support/frames.ts';
import { serve } from './serve.ts';

export interface HistorySetUp {
  memory: TrackerMemory;
  barrier: Words;
  parties: number;
  /** Stamps; word 1: the time that threads go by, ms; word 2: threads that have begun. */
  clock: Words;
}

export interface HistoryRun {
  seed: number;
  operations: number;
  flows: number;
  /** The clock moves on now and then, at any moment; else it stands still. */
  isMoving: boolean;
  /** This thread's part of the history. */
  history: Words;
}

const STAMP = 0;
const NOW = 1;
const READY = 2;
/** Where the source port of a frame without tags and options is. */
const SPORT_AT = 34;
const UDP = 17;
/** Packets of a batch, at most. */
const MOST_PACKETS = 3;
/** In a checked thread: one of so many shared accesses is held up, for up to so many turns of a loop. */
const HELD_UP = 24;
const HOLD_UP_TURNS = 3000;

interface Flow {
  zone: number;
  frames: readonly Uint8Array[];
  tuples: readonly Tuple[];
  nat: CtAction;
}

let ct: Conntrack;
let shared: HistorySetUp;
const batch = PacketBatch.allocate();
const actions = Array.from({ length: ZONES }, (_, zone) => ({
  [Kind.look]: new CtAction({ zone }),
  [Kind.commit]: new CtAction({ zone, commit: true }),
  [Kind.force]: new CtAction({ zone, commit: true, force: true }),
}));

function flowOf(flow: number): Flow {
  const ends = { src: `10.0.0.${flow + 1}`, sport: NAT_PORT, dst: '10.9.9.9', dport: 53 };
  const address = `198.51.100.${flow + 1}`;
  const answers = isTranslated(flow) ? { ...reverse(ends), dst: address } : reverse(ends);
  const zone = zoneOf(flow);
  return {
    zone,
    frames: [udp(ends), udp(answers)],
    tuples: [ends, answers].map((each) => ({ ...each, proto: UDP })),
    nat: new CtAction({ zone, commit: true, nat: { action: ['src'], minAddr: address } }),
  };
}

function randomNumbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function answerOf(state: number): Answer {
  switch (state & ~(CtState.TRK | CtState.SNAT)) {
    case CtState.NEW:
      return Answer.new;
    case CtState.EST:
      return Answer.established;
    case CtState.EST | CtState.RPL:
      return Answer.reply;
    default:
      return Answer.other;
  }
}

/** What to do with a flow by a packet: mostly what meets a connection, now and then what ends one. */
function packetKind(flow: number, direction: number, draw: number): Kind {
  if (isTranslated(flow)) {
    return direction === 0 && draw < 12 ? Kind.nat : Kind.look;
  }
  if (draw < 3) {
    return Kind.force;
  }
  return draw < 11 ? Kind.commit : Kind.look;
}

function sendPackets(recorder: Recorder, flow: number, flows: readonly Flow[], next: (below: number) => number): void {
  const { zone, frames, nat } = flows[flow]!;
  const direction = next(3) === 0 ? 1 : 0;
  const kind = packetKind(flow, direction, next(20));
  const action = kind === Kind.nat ? nat : actions[zone]![kind as keyof (typeof actions)[number]];
  batch.clear();
  const directions = Array.from({ length: 1 + (next(3) === 0 ? next(MOST_PACKETS) : 0) }, (_, i) =>
    /* One action for all: answers to a translated flow are none that may be committed. */
    kind === Kind.nat || i === 0 ? direction : next(2),
  );
  for (const each of directions) {
    batch.add(frames[each]!);
  }
  const invoked = Atomics.add(shared.clock, STAMP, 1);
  const nowMs = Atomics.load(shared.clock, NOW);
  ct.execute(batch, action, nowMs);
  const responded = Atomics.add(shared.clock, STAMP, 1);
  for (const [i, each] of directions.entries()) {
    const slot = batch.slots[i]!;
    const record = batch.words[slot + PacketWord.CONN]!;
    const frame = batch.frame(i);
    recorder.record({
      kind,
      flow,
      direction: each,
      nowMs,
      invoked,
      responded,
      answer: answerOf(batch.state(i)),
      removed: false,
      conn: record === 0 ? 0 : record + batch.words[slot + PacketWord.CONN_GENERATION]! * CONN_GENERATION,
      port:
        kind === Kind.nat && (batch.state(i) & CtState.SNAT) !== 0 ? (frame[SPORT_AT]! << 8) | frame[SPORT_AT + 1]! : 0,
    });
  }
}

function removeSomething(
  recorder: Recorder,
  flow: number,
  flows: readonly Flow[],
  next: (below: number) => number,
): void {
  const draw = next(10);
  const { zone, tuples } = flows[flow]!;
  const direction = next(2);
  const kind = draw < 7 ? Kind.flushTuple : draw < 9 ? Kind.sweep : Kind.flushZone;
  const invoked = Atomics.add(shared.clock, STAMP, 1);
  const nowMs = Atomics.load(shared.clock, NOW);
  let removed = false;
  if (kind === Kind.flushTuple) {
    removed = ct.flushTuple(tuples[direction]!, { nowMs, zone });
  } else if (kind === Kind.sweep) {
    ct.sweep(nowMs);
  } else {
    ct.flush({ zone, nowMs });
  }
  const responded = Atomics.add(shared.clock, STAMP, 1);
  recorder.record({
    kind,
    flow: kind === Kind.flushZone ? zone : flow,
    direction,
    nowMs,
    invoked,
    responded,
    answer: Answer.none,
    removed,
    conn: 0,
    port: 0,
  });
}

const jobs = {
  setUp(setUp: HistorySetUp): void {
    shared = setUp;
    ct = Conntrack.attach(setUp.memory);
  },

  run({ seed, operations, flows: flowCount, isMoving, history }: HistoryRun): void {
    const next = randomNumbers(seed);
    if (CHECKED) {
      const nextHeld = randomNumbers(seed ^ 0x5bd1e995);
      setSchedulingHook(() => {
        if (nextHeld(HELD_UP) === 0) {
          for (let turns = nextHeld(HOLD_UP_TURNS); turns > 0; turns--) {
            Atomics.load(shared.clock, NOW);
          }
        }
      });
    }
    const flows = Array.from({ length: flowCount }, (_, flow) => flowOf(flow));
    const recorder = new Recorder(history);
    arriveAndWait(shared.barrier, 0, shared.parties);
    /* Whoever was woken last would find the others done. */
    Atomics.add(shared.clock, READY, 1);
    while (Atomics.load(shared.clock, READY) < shared.parties) {
      pause();
    }
    for (let done = 0; done < operations; done++) {
      const flow = next(flowCount);
      if (next(6) === 0) {
        removeSomething(recorder, flow, flows, next);
      } else {
        sendPackets(recorder, flow, flows, next);
      }
      if (isMoving && next(8) === 0) {
        Atomics.add(shared.clock, NOW, next(TIMEOUT_MS / 2));
      }
    }
    if (CHECKED) {
      setSchedulingHook(undefined);
    }
  },

  close(): void {
    ct.close();
  },
};

export type HistoryJobs = typeof jobs;
serve(jobs);
