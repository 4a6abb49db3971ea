/** TCP: whole lives, handshakes, established data, a flood of SYNs. Each connection's packets go in order, those of a batch's
 * worth of connections side by side: as they come from an interface. */

import { CtAction } from '../../src/core/action.ts';
import type { Sender } from './sender.ts';
import { StepBatch, TcpFlag } from './step-batch.ts';
import { tuplesOf } from './tuples.ts';
import { eachOnce, inGroups, tell, type Workload, type WorkloadOptions, type WorkloadRun } from './workload.ts';

const COMMIT = new CtAction({ commit: true });
const { SYN, ACK, FIN, PSH } = TcpFlag;

const PAYLOAD_BYTES = 100;
const CLIENT_SEQ = 1000;
const SERVER_SEQ = 500_000;
/** Exchanges of one connection, data and its acknowledgement, in `tcp-data`. */
const DATA_ROUNDS = 8;

/** The steps of a life with one packet of data. */
class Conversation {
  readonly #steps: StepBatch[];
  readonly data: StepBatch;
  readonly dataAck: StepBatch;
  readonly #batchSize: number;

  constructor(batchSize: number) {
    const step = (isReply: boolean, flags: number, seq: number, ack: number, payloadBytes = 0) =>
      new StepBatch({ protocol: 'tcp', batchSize, isReply, flags, seq, ack, payloadBytes });
    const afterData = CLIENT_SEQ + 1 + PAYLOAD_BYTES;
    this.data = step(false, PSH | ACK, CLIENT_SEQ + 1, SERVER_SEQ + 1, PAYLOAD_BYTES);
    this.dataAck = step(true, ACK, SERVER_SEQ + 1, afterData);
    this.#steps = [
      step(false, SYN, CLIENT_SEQ, 0),
      step(true, SYN | ACK, SERVER_SEQ, CLIENT_SEQ + 1),
      step(false, ACK, CLIENT_SEQ + 1, SERVER_SEQ + 1),
      this.data,
      this.dataAck,
      step(false, FIN | ACK, afterData, SERVER_SEQ + 1),
      step(true, FIN | ACK, SERVER_SEQ + 1, afterData + 1),
      step(false, ACK, afterData + 1, SERVER_SEQ + 2),
    ];
    this.#batchSize = batchSize;
  }

  send(sender: Sender, step: StepBatch, first: number, count: number): void {
    step.fillGrid(first, count);
    sender.send(step.batch, COMMIT);
  }

  /** The first so many steps of each connection. */
  sendSteps(sender: Sender, steps: number, from: number, to: number): void {
    const size = this.#batchSize;
    for (let first = from; first < to; first += size) {
      const count = Math.min(size, to - first);
      for (let step = 0; step < steps; step++) {
        this.send(sender, this.#steps[step]!, first, count);
      }
    }
  }
}

const LIFE_STEPS = 8;
const HANDSHAKE_STEPS = 3;

function stepsOnly(result: string, steps: number, description: string, established: number): Workload {
  return {
    description,
    variants: [''],
    phasesOf: () => [{ result, packetsPerConnection: steps }],
    make: ({ batchSize }) => {
      const conversation = new Conversation(batchSize);
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
  'TCP lives of 8 packets: SYN, SYN-ACK, ACK, data, ACK, FIN, FIN-ACK, ACK',
  LIFE_STEPS - 1,
);

export const tcpHandshake: Workload = stepsOnly(
  'tcp-handshake',
  HANDSHAKE_STEPS,
  'TCP handshakes only: SYN, SYN-ACK, ACK',
  HANDSHAKE_STEPS - 1,
);

class DataRun implements WorkloadRun {
  readonly #conversation: Conversation;
  readonly #batchSize: number;
  /** One pair of batches for each round: the sequence numbers go on. */
  readonly #rounds: { data: StepBatch; dataAck: StepBatch }[];

  constructor({ batchSize }: WorkloadOptions) {
    this.#batchSize = batchSize;
    this.#conversation = new Conversation(batchSize);
    this.#rounds = Array.from({ length: DATA_ROUNDS }, (_, round) => {
      const seq = CLIENT_SEQ + 1 + round * PAYLOAD_BYTES;
      const common = { protocol: 'tcp', batchSize } as const;
      return {
        data: new StepBatch({
          ...common,
          flags: PSH | ACK,
          seq,
          ack: SERVER_SEQ + 1,
          payloadBytes: PAYLOAD_BYTES,
        }),
        dataAck: new StepBatch({ ...common, isReply: true, flags: ACK, seq: SERVER_SEQ + 1, ack: seq + PAYLOAD_BYTES }),
      };
    });
  }

  run(sender: Sender, phase: number, from: number, to: number): void {
    if (phase === 0) {
      this.#conversation.sendSteps(sender, HANDSHAKE_STEPS, from, to);
      return;
    }
    const size = this.#batchSize;
    for (let first = from; first < to; first += size) {
      const count = Math.min(size, to - first);
      for (let round = 0; round < DATA_ROUNDS; round++) {
        const { data, dataAck } = this.#rounds[round]!;
        this.#conversation.send(sender, data, first, count);
        this.#conversation.send(sender, dataAck, first, count);
      }
    }
  }
}

export const tcpData: Workload = {
  description: `established TCP: ${DATA_ROUNDS} times data and its acknowledgement on each connection`,
  variants: [''],
  phasesOf: () => [
    { packetsPerConnection: HANDSHAKE_STEPS },
    { result: 'tcp-data', packetsPerConnection: 2 * DATA_ROUNDS },
  ],
  make: (options) => new DataRun(options),
  fault: eachOnce(
    ({ counters, connections }) =>
      counters.new === connections && counters.established === (HANDSHAKE_STEPS - 1 + 2 * DATA_ROUNDS) * connections,
  ),
};

/** A table so much smaller than the flood. */
const FLOOD_FACTOR = 4;

export const synFlood: Workload = {
  description: `SYNs from random sources into a table for a ${FLOOD_FACTOR}th of them, which refuses the rest`,
  variants: [''],
  phasesOf: () => [{ result: 'syn-flood', packetsPerConnection: 1 }],
  make: ({ batchSize }) => {
    const step = new StepBatch({ protocol: 'tcp', batchSize, flags: SYN, seq: CLIENT_SEQ });
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
  fault: (books) => {
    const { counters, live, connections } = books;
    const isRight =
      counters.created === live &&
      live === Math.ceil(connections / FLOOD_FACTOR) &&
      counters.created + counters.tableFull === connections &&
      counters.invalid + counters.insertFailed === 0;
    return isRight ? undefined : tell(books);
  },
  tableOf: ({ connections }) => ({
    maxConnections: Math.ceil(connections / FLOOD_FACTOR),
    prefaultConnections: Math.ceil(connections / FLOOD_FACTOR),
  }),
};
