/** An FTP control connection through a tracker, both ends of it simulated. */

import { CtAction, type CtActionOptions } from '../../src/core/action.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import type { PortEnds } from './frames.ts';
import { tcpFrame, type TcpOptions, type TcpView, viewTcp } from './tcp-frames.ts';

export type Side = 'client' | 'server';

/** What an end has sent and seen, as its TCP would know it. */
interface End {
  next: number;
  /** The other end's next sequence number, as this end sees it. */
  expected: number;
}

export interface Delivered extends TcpView {
  state: string;
}

export interface ControlOptions {
  /** As the client sends them. */
  ends: PortEnds;
  action?: CtActionOptions;
  nowMs?: number;
  clientStart?: number;
  serverStart?: number;
}

const batch = PacketBatch.allocate(1 << 17);

/**
 * The control connection. Every packet is delivered at once; the end that receives it checks its sequence number and
 * that it acknowledges all that this end has sent.
 */
export class ControlConnection {
  readonly #ct: Conntrack;
  readonly #action: CtAction;
  readonly ends: PortEnds;
  /** The client's packets as the server sees them: its address and port may be translated, or the server's. */
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

  /** SYN, SYN|ACK, ACK. Returns the states. */
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

  /** Sends a segment; throws if the other end would not take it for the next one. */
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

  /** Sends a packet and shows it as it comes out of the tracker. */
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

/** "a,b,c,d,high,low" */
export function hostPort(address: string, port: number): string {
  return `${address.replaceAll('.', ',')},${port >> 8},${port & 255}`;
}
