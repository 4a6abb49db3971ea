/**
 * TCP: whole lives, handshakes, established data, a flood of SYNs. A window of connections takes one step at a time: first the
 * first packet of each, then the second of each, and so on. With a window of one batch everything stays in the fastest cache.
 * With a window of all connections each packet finds its connection cold.
 */

import { CtAction } from '../../src/core/action.ts';
import type { Sender } from './sender.ts';
import { StepBatch, TcpFlag } from './step-batch.ts';
import { tuplesOf } from './tuples.ts';
import { eachOnce, inGroups, describeFault, type Workload, type WorkloadOptions } from './workload.ts';

const COMMIT = new CtAction({ commit: true });
const { SYN, ACK, FIN, PSH } = TcpFlag;

const PAYLOAD_BYTES = 100;
const CLIENT_SEQ = 1000;
const SERVER_SEQ = 500_000;
/** Exchanges of data and acknowledgement on each connection of `tcp-data`. */
const DATA_ROUNDS = 8;
/** Connections in a slice of a step. */
const SLICE = 1024;

interface Step {
  packets: StepBatch;
  flags: number;
  seq: number;
  ack: number;
}

/** The steps of a life with one packet of data. All steps use the same three packet buffers, like an interface's receive ring. */
class Conversation {
  readonly #steps: readonly Step[];
  readonly #dataSteps: readonly Step[];
  readonly #batchSize: number;
  readonly #window: number;

  constructor({
    batchSize,
    window,
    memory,
    hosts,
  }: Pick<WorkloadOptions, 'batchSize' | 'window' | 'memory' | 'hosts'>) {
    const packets = (isReply: boolean, payloadBytes = 0) =>
      new StepBatch({ protocol: 'tcp', batchSize, isReply, payloadBytes, memory, hosts });
    const client = packets(false);
    const server = packets(true);
    const clientData = packets(false, PAYLOAD_BYTES);
    const afterData = CLIENT_SEQ + 1 + PAYLOAD_BYTES;
    this.#steps = [
      { packets: client, flags: SYN, seq: CLIENT_SEQ, ack: 0 },
      { packets: server, flags: SYN | ACK, seq: SERVER_SEQ, ack: CLIENT_SEQ + 1 },
      { packets: client, flags: ACK, seq: CLIENT_SEQ + 1, ack: SERVER_SEQ + 1 },
      { packets: clientData, flags: PSH | ACK, seq: CLIENT_SEQ + 1, ack: SERVER_SEQ + 1 },
      { packets: server, flags: ACK, seq: SERVER_SEQ + 1, ack: afterData },
      { packets: client, flags: FIN | ACK, seq: afterData, ack: SERVER_SEQ + 1 },
      { packets: server, flags: FIN | ACK, seq: SERVER_SEQ + 1, ack: afterData + 1 },
      { packets: client, flags: ACK, seq: afterData + 1, ack: SERVER_SEQ + 2 },
    ];
    this.#dataSteps = Array.from({ length: DATA_ROUNDS }, (_, round) => {
      const seq = CLIENT_SEQ + 1 + round * PAYLOAD_BYTES;
      return [
        { packets: clientData, flags: PSH | ACK, seq, ack: SERVER_SEQ + 1 },
        { packets: server, flags: ACK, seq: SERVER_SEQ + 1, ack: seq + PAYLOAD_BYTES },
      ];
    }).flat();
    this.#batchSize = batchSize;
    this.#window = Math.max(window, batchSize);
  }

  /** Sends the first `steps` steps of each connection. */
  sendSteps(sender: Sender, steps: number, from: number, to: number): void {
    for (let first = from; first < to; first += this.#window) {
      const end = Math.min(to, first + this.#window);
      for (let number = 0; number < steps; number++) {
        this.#sendStep(sender, this.#steps[number]!, first, end);
      }
    }
  }

  /** Sends data and acknowledgement on established connections, DATA_ROUNDS times. */
  sendData(sender: Sender, from: number, to: number): void {
    for (let first = from; first < to; first += this.#window) {
      const end = Math.min(to, first + this.#window);
      for (const step of this.#dataSteps) {
        this.#sendStep(sender, step, first, end);
      }
    }
  }

  /**
   * Sends one step of each connection, in slices. A loop over all connections would run rarely and long. V8 would then compile it
   * anew each time while it runs, at the expense of threads that use all cores.
   */
  #sendStep(sender: Sender, step: Step, from: number, to: number): void {
    for (let first = from; first < to; first += SLICE) {
      this.#sendSlice(sender, step, first, Math.min(to, first + SLICE));
    }
  }

  #sendSlice(sender: Sender, { packets, flags, seq, ack }: Step, from: number, to: number): void {
    const size = this.#batchSize;
    for (let first = from; first < to; first += size) {
      packets.fillTcp(first, Math.min(size, to - first), flags, seq, ack);
      sender.send(packets.batch, COMMIT);
    }
  }
}

const LIFE_STEPS = 8;
const HANDSHAKE_STEPS = 3;

function stepsOnly(result: string, steps: number, description: string, established: number): Workload {
  return {
    description,
    variants: [''],
    hasWindow: true,
    phasesOf: () => [{ result, packetsPerConnection: steps }],
    grid: { protocol: 'tcp' },
    make: (options) => {
      const conversation = new Conversation(options);
      return { run: (sender, _phase, from, to) => conversation.sendSteps(sender, steps, from, to) };
    },
    fault: eachOnce(
      ({ counters, connections }) => counters.new === connections && counters.established === established * connections,
    ),
  };
}

export const tcpLife: Workload = stepsOnly(
  'tcp-life',
  LIFE_STEPS,
  'Track whole TCP connections of 8 packets: SYN, SYN-ACK, ACK, data, ACK, FIN, FIN-ACK, ACK',
  LIFE_STEPS - 1,
);

export const tcpHandshake: Workload = stepsOnly(
  'tcp-handshake',
  HANDSHAKE_STEPS,
  'Track TCP handshakes: SYN, SYN-ACK, ACK',
  HANDSHAKE_STEPS - 1,
);

export const tcpData: Workload = {
  description: `Track established TCP connections, with ${DATA_ROUNDS} rounds of data and acknowledgement on each`,
  variants: [''],
  hasWindow: true,
  phasesOf: () => [
    { packetsPerConnection: HANDSHAKE_STEPS },
    { result: 'tcp-data', packetsPerConnection: 2 * DATA_ROUNDS },
  ],
  grid: { protocol: 'tcp' },
  make: (options) => {
    const conversation = new Conversation(options);
    return {
      run: (sender, phase, from, to) => {
        if (phase === 0) {
          conversation.sendSteps(sender, HANDSHAKE_STEPS, from, to);
        } else {
          conversation.sendData(sender, from, to);
        }
      },
    };
  },
  fault: eachOnce(
    ({ counters, connections }) =>
      counters.new === connections && counters.established === (HANDSHAKE_STEPS - 1 + 2 * DATA_ROUNDS) * connections,
  ),
};

/** The flood has this many times as many connections as the table can hold. */
const FLOOD_FACTOR = 4;

export const synFlood: Workload = {
  description: `Send SYNs from random sources into a table that can hold one in ${FLOOD_FACTOR} of them`,
  variants: [''],
  phasesOf: () => [{ result: 'syn-flood', packetsPerConnection: 1 }],
  make: ({ batchSize, memory }) => {
    const step = new StepBatch({ protocol: 'tcp', batchSize, memory });
    step.batch.count = batchSize;
    step.fillTcp(0, batchSize, SYN, CLIENT_SEQ, 0);
    let tuples = tuplesOf('random', 0, 0);
    return {
      prepare: (from, to) => {
        tuples = tuplesOf('random', from, to - from);
      },
      run: (sender, _phase, from, to) => {
        inGroups(from, to, batchSize, (first, count) => {
          step.fillTuples(tuples, first, count);
          sender.send(step.batch, COMMIT);
        });
      },
    };
  },
  fault: (accounting) => {
    const { counters, live, connections } = accounting;
    const isRight =
      counters.created === live &&
      live === Math.ceil(connections / FLOOD_FACTOR) &&
      counters.created + counters.tableFull === connections &&
      counters.invalid + counters.insertFailed === 0;
    return isRight ? undefined : describeFault(accounting);
  },
  tableOf: ({ connections }) => ({
    maxConnections: Math.ceil(connections / FLOOD_FACTOR),
    prefaultConnections: Math.ceil(connections / FLOOD_FACTOR),
  }),
};
