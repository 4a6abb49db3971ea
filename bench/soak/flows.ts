/**
 * The traffic of the datapath: connections that come, talk and go, through source NAT. Some are pinned: they last for the whole
 * soak and must never be lost. A flow sends its next packet after the verdict on the last one. Its replies go to the address
 * that the verdict names.
 */

import { CtState, PacketWord, swapHalf, swapWord } from '../../src/core/packet/layout.ts';
import type { Words } from '../../src/shared/access.ts';
import {
  echoFrame,
  fragmentedDatagram,
  type FrameEnds,
  TcpBit,
  tcpSegment,
  reversed,
  udpFrame,
} from '../attacks/frames.ts';

const Kind = { udp: 0, tcp: 1, icmp: 2, fragmented: 3 } as const;
const KINDS_OF_CHURN = [Kind.udp, Kind.tcp, Kind.udp, Kind.tcp, Kind.udp, Kind.icmp, Kind.udp, Kind.fragmented];

/** Number of pinned flows, UDP and TCP in turn. */
export const PINNED = 256;
/** Calls of `step` to wait for a verdict. A packet may be held as a fragment, or lost with a worker. */
const MOST_CALLS_WAITED = 400;
const FLOW_BITS = 22;
export const MOST_FLOWS: number = (1 << FLOW_BITS) - 1;
const IP_WORD: number = PacketWord.FRAME + 4;
const CLIENT_SEQ = 1000;
const SERVER_SEQ = 9000;

/** The steps of TCP: sender and flags. Pinned flows repeat the 4th and the 5th. */
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
/** Steps of a life by kind. A fragmented datagram gets no reply, since no verdict shows its translated port. */
const LIVES = [UDP_STEPS, TCP_STEPS.length, 2, 1];

interface Flow {
  kind: number;
  ends: FrameEnds;
  /** The client as the server sees it, after translation. */
  seen: FrameEnds;
  step: number;
  /** Number of the `step` call that sent the packet. 0: no packet is on its way. */
  sentAt: number;
}

/** The receiver of the packets. */
export interface Sink {
  push(frame: Uint8Array, number: number): void | Promise<void>;
}

export class Flows {
  readonly #flows: Flow[];
  readonly #random: () => number;
  #calls = 0;
  #serial = 0;
  /** Packets of pinned connections that did not get the state of an established connection after the handshake. */
  lost = 0;
  /** Lives that ended regularly. */
  completed = 0;
  /** Packets without a verdict, or with none in time. */
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

  /** Sends the next packet of each flow from `from` to before `to`, unless one is on its way. */
  async step(sink: Sink, from: number, to: number): Promise<number> {
    this.#calls++;
    let sent = 0;
    for (let index = from; index < to; index++) {
      const flow = this.#flows[index]!;
      if (flow.sentAt !== 0) {
        if (this.#calls - flow.sentAt < MOST_CALLS_WAITED) {
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
    const own = isReply ? reversed(seen) : ends;
    switch (kind) {
      case Kind.tcp:
        return [tcpSegment(own, TCP_STEPS[step]!)];
      case Kind.icmp:
        return [echoFrame(isReply ? reversed(seen) : ends, isReply)];
      case Kind.fragmented:
        return isReply ? [udpFrame(own, 20)] : fragmentedDatagram(ends, this.#serial & 0xffff, 2000, 1400);
      default:
        return [udpFrame(own, 20)];
    }
  }

  /** Takes the verdict on a packet. */
  takeVerdict(words: Words, slot: number): void {
    const number = words[slot + PacketWord.NUMBER]!;
    const index = number & MOST_FLOWS;
    const flow = this.#flows[index];
    if (number < 0 || flow === undefined || flow.step !== number >>> FLOW_BITS || flow.sentAt === 0) {
      return;
    }
    const state = words[slot + PacketWord.STATE]!;
    if (state === 0) {
      /* The packet is held, or was lost with its worker. Its verdict may still come. A pinned flow sends it again. */
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

  /** Notes the client's address and port after translation. */
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
