/** An FTP control connection through a tracker, with both ends simulated. */

import { CtAction, type CtActionOptions } from '../../src/core/action.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import type { PortEnds } from './frames.ts';
import { tcpFrame, type TcpOptions, type TcpView, viewTcp } from './tcp-frames.ts';

export type Side = 'client' | 'server';

/** The sequence numbers of one end, as its TCP knows them. */
interface End {
  next: number;
  /** The next sequence number that this end expects from the other one. */
  expected: number;
}

export interface Delivered extends TcpView {
  state: string;
}

export interface ControlOptions {
  /** The ends of the packets that the client sends. */
  ends: PortEnds;
  action?: CtActionOptions;
  nowMs?: number;
  clientStart?: number;
  serverStart?: number;
}

const batch = PacketBatch.allocate(1 << 17);

/**
 * The control connection. Each packet is delivered at once. The end that receives it checks its sequence number, and checks
 * that it acknowledges all bytes that this end has sent.
 */
export class ControlConnection {
  readonly #ct: Conntrack;
  readonly #action: CtAction;
  readonly ends: PortEnds;
  /** The ends of the client's packets as the server sees them, after NAT. */
  seen: PortEnds;
  nowMs: number;
  readonly #client: End;
  readonly #server: End;

  constructor(ct: Conntrack, options: ControlOptions) {
    this.#ct = ct;
    this.ends = options.ends;
    this.seen = options.ends;
    this.nowMs = options.nowMs ?? 0;
    this.#action = new CtAction(options.action ?? { commit: true, helper: 'ftp' });
    this.#client = { next: options.clientStart ?? 1000, expected: 0 };
    this.#server = { next: options.serverStart ?? 5000, expected: 0 };
  }

  /** Sends SYN, SYN|ACK and ACK. @returns the states */
  open(): string[] {
    const syn = this.deliver('client', { flags: 'S' });
    this.seen = { src: syn.src, dst: syn.dst, sport: syn.sport, dport: syn.dport };
    this.#client.next++;
    this.#server.expected = (syn.seq + 1) >>> 0;
    const answer = this.deliver('server', { flags: 'SA' });
    this.#server.next++;
    this.#client.expected = (answer.seq + 1) >>> 0;
    return [syn.state, answer.state, this.send('client', '').state];
  }

  /** Sends a segment. @throws Error if it is not the next one that the other end expects */
  send(side: Side, data: string, fields: Partial<TcpOptions> = {}): Delivered {
    const from = side === 'client' ? this.#client : this.#server;
    const to = side === 'client' ? this.#server : this.#client;
    const got = this.deliver(side, { flags: 'PA', data, ...fields });
    if (got.seq !== to.expected >>> 0) {
      throw new Error(`sequence number ${got.seq} where the ${side}'s peer expects ${to.expected >>> 0}`);
    }
    if (got.ack !== to.next >>> 0) {
      throw new Error(`${got.ack} acknowledged where the ${side}'s peer has sent up to ${to.next >>> 0}`);
    }
    from.next = (from.next + data.length) >>> 0;
    to.expected = (to.expected + got.data.length) >>> 0;
    return got;
  }

  /** Sends a packet through the tracker. @returns the packet as the tracker sends it on */
  deliver(side: Side, fields: Partial<TcpOptions>): Delivered {
    const own = side === 'client' ? this.#client : this.#server;
    const { src, dst, sport, dport } = side === 'client' ? this.ends : this.seen;
    const ends = side === 'client' ? this.ends : { src: dst, dst: src, sport: dport, dport: sport };
    const ack = fields.flags === 'S' ? 0 : own.expected;
    batch.clear();
    batch.add(tcpFrame(ends, { flags: 'A', seq: own.next, ack, ...fields }));
    this.#ct.execute(batch, this.#action, this.nowMs);
    return { ...viewTcp(batch.frame(0)), state: stateText(batch.state(0)) };
  }
}

/** An address and a port as in FTP's PORT command: "a,b,c,d,high,low". */
export function hostPort(address: string, port: number): string {
  return `${address.replaceAll('.', ',')},${port >> 8},${port & 255}`;
}
