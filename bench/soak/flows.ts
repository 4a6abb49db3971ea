/**
 * The traffic of the datapath: connections that come, talk and go, through source NAT, among them some that stay for the
 * whole soak and must never be lost. A flow's next packet is sent when the verdict on the one before has come; where it
 * was translated to, its answers are sent to.
 */

import { CtState, PacketWord, swapHalf, swapWord } from '../../src/core/packet/layout.ts';
import type { Words } from '../../src/shared/access.ts';
import {
  echoFrame,
  fragmentedDatagram,
  type FrameEnds,
  TcpBit,
  tcpSegment,
  turned,
  udpFrame,
} from '../attacks/frames.ts';

const Kind = { udp: 0, tcp: 1, icmp: 2, fragmented: 3 } as const;
const KINDS_OF_CHURN = [Kind.udp, Kind.tcp, Kind.udp, Kind.tcp, Kind.udp, Kind.icmp, Kind.udp, Kind.fragmented];

/** Flows that stay, UDP and TCP in turn. */
export const PINNED = 256;
/** So many calls of `step` a verdict is waited for: a packet may be held, or lost with a worker. */
const PATIENCE = 400;
const FLOW_BITS = 22;
export const MOST_FLOWS: number = (1 << FLOW_BITS) - 1;
const IP_WORD: number = PacketWord.FRAME + 4;
const CLIENT_SEQ = 1000;
const SERVER_SEQ = 9000;

/** TCP's steps: whose, and with what. Those that stay go on with the 4th and 5th. */
const { SYN, ACK, PSH, FIN } = TcpBit;
const TCP_STEPS = [
  { isReply: false, flags: SYN, seq: CLIENT_SEQ, ack: 0, text: '' },
  { isReply: true, flags: SYN | ACK, seq: SERVER_SEQ, ack: CLIENT_SEQ + 1, text: '' },
  { isReply: false, flags: ACK, seq: CLIENT_SEQ + 1, ack: SERVER_SEQ + 1, text: '' },
  { isReply: false, flags: PSH | ACK, seq: CLIENT_SEQ + 1, ack: SERVER_SEQ + 1, text: 'data' },
  { isReply: true, flags: ACK, seq: SERVER_SEQ + 1, ack: CLIENT_SEQ + 5, text: '' },
  { isReply: false, flags: FIN | ACK, seq: CLIENT_SEQ + 5, ack: SERVER_SEQ + 1, text: '' },
  { isReply: true, flags: FIN | ACK, seq: SERVER_SEQ + 1, ack: CLIENT_SEQ + 6, text: '' },
  { isReply: false, flags: ACK, seq: CLIENT_SEQ + 6, ack: SERVER_SEQ + 2, text: '' },
] as const;
const TCP_TALK = 3;
const UDP_STEPS = 4;
/** Steps of a life, by kind: of a datagram in fragments nobody sees the port that the answer would go to. */
const LIVES = [UDP_STEPS, TCP_STEPS.length, 2, 1];

interface Flow {
  kind: number;
  ends: FrameEnds;
  /** As the server sees the client. */
  seen: FrameEnds;
  step: number;
  /** Number of the step call at which its packet was sent; 0: none is on its way. */
  sentAt: number;
}

/** Who takes the packets. */
export interface Sink {
  push(frame: Uint8Array, number: number): void | Promise<void>;
}

export class Flows {
  readonly #flows: Flow[];
  readonly #random: () => number;
  #calls = 0;
  #serial = 0;
  /** Packets of staying connections, once they were established, that came out as none of one. */
  lost = 0;
  /** Lives that ended as they should. */
  completed = 0;
  /** Packets that came back without a verdict, or not at all in time. */
  unanswered = 0;

  constructor(connections: number, random: () => number) {
    this.#random = random;
    this.#flows = Array.from({ length: PINNED + connections }, (_, index) => this.#fresh(index));
  }

  get count(): number {
    return this.#flows.length;
  }

  #fresh(index: number): Flow {
    const isPinned = index < PINNED;
    const kind = isPinned ? index & 1 : KINDS_OF_CHURN[Math.floor(this.#random() * KINDS_OF_CHURN.length)]!;
    const serial = this.#serial++;
    const ends = isPinned
      ? { src: 0x0a640000 + index, dst: 0x0a650001, sport: 5000, dport: 443 }
      : {
          src: 0x0c000000 + (serial & 0xffffff),
          dst: 0x0a660000 + (serial & 15),
          sport: 1024 + (Math.floor(serial / 16) % 60_000),
          dport: 8000 + (serial & 15),
        };
    return { kind, ends, seen: ends, step: 0, sentAt: 0 };
  }

  /** Sends the next packets of the flows from `from` to before `to` that wait for none. */
  async step(sink: Sink, from: number, to: number): Promise<number> {
    this.#calls++;
    let sent = 0;
    for (let index = from; index < to; index++) {
      const flow = this.#flows[index]!;
      if (flow.sentAt !== 0) {
        if (this.#calls - flow.sentAt < PATIENCE) {
          continue;
        }
        this.unanswered++;
        if (index >= PINNED) {
          this.#restart(index);
        }
      }
      for (const frame of this.#framesOf(this.#flows[index]!)) {
        const waiting = sink.push(frame, index | (this.#flows[index]!.step << FLOW_BITS));
        if (waiting !== undefined) {
          await waiting;
        }
        sent++;
      }
      this.#flows[index]!.sentAt = this.#calls;
    }
    return sent;
  }

  #framesOf({ kind, ends, seen, step }: Flow): readonly Uint8Array[] {
    const isReply = kind === Kind.tcp ? TCP_STEPS[step]!.isReply : (step & 1) === 1;
    const own = isReply ? turned(seen) : ends;
    switch (kind) {
      case Kind.tcp:
        return [tcpSegment(own, TCP_STEPS[step]!)];
      case Kind.icmp:
        return [echoFrame(isReply ? turned(seen) : ends, isReply)];
      case Kind.fragmented:
        return isReply ? [udpFrame(own, 20)] : fragmentedDatagram(ends, this.#serial & 0xffff, 2000, 1400);
      default:
        return [udpFrame(own, 20)];
    }
  }

  /** A packet came back. */
  answer(words: Words, slot: number): void {
    const number = words[slot + PacketWord.NUMBER]!;
    const index = number & MOST_FLOWS;
    const flow = this.#flows[index];
    if (number < 0 || flow === undefined || flow.step !== number >>> FLOW_BITS || flow.sentAt === 0) {
      return;
    }
    const state = words[slot + PacketWord.STATE]!;
    if (state === 0) {
      /* Held, or its worker died with it: it may come late. A staying one is sent again. */
      if (index < PINNED) {
        this.unanswered++;
        flow.sentAt = 0;
      }
      return;
    }
    flow.sentAt = 0;
    const isPinned = index < PINNED;
    const opened = flow.kind === Kind.tcp ? 2 : 1;
    if (flow.step >= opened && (state & (CtState.EST | CtState.INV)) !== CtState.EST) {
      if (isPinned) {
        this.lost++;
      }
      this.#restart(index);
      return;
    }
    if ((state & CtState.RPL) === 0) {
      this.#see(flow, words, slot);
    }
    this.#advance(flow, index, isPinned);
  }

  /** Where the client's packet was translated to. */
  #see(flow: Flow, words: Words, slot: number): void {
    const src = swapWord(words[slot + IP_WORD + 3]!) >>> 0;
    const l4 = words[slot + IP_WORD + 5]!;
    const sport = flow.kind === Kind.icmp ? swapHalf(words[slot + IP_WORD + 6]! & 0xffff) : swapHalf(l4 & 0xffff);
    flow.seen = { ...flow.ends, src, sport };
  }

  #advance(flow: Flow, index: number, isPinned: boolean): void {
    const steps = LIVES[flow.kind]!;
    flow.step++;
    if (isPinned) {
      if (flow.kind === Kind.tcp && flow.step > TCP_TALK + 1) {
        flow.step = TCP_TALK;
      } else if (flow.kind === Kind.udp && flow.step === UDP_STEPS) {
        flow.step = 2;
      }
    } else if (flow.step === steps) {
      this.completed++;
      this.#restart(index);
    }
  }

  #restart(index: number): void {
    this.#flows[index] = this.#fresh(index);
  }
}
