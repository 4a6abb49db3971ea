/**
 * The TCP state machine as a table. It is pf's, as in Open vSwitch's userspace tracker. Each peer has its own state. A
 * segment that passes the window check moves the state of its sender by FIN and RST, and that of its receiver by ACK
 * and RST.
 *
 * A SYN without ACK is handled first, before the window check:
 *
 *   sender and receiver FIN_WAIT_2 or TIME_WAIT   both CLOSED: the tuple is reopened (Update.NEW)
 *   sender CLOSED or SYN_SENT                     the sender is SYN_SENT (Update.VALID_NEW)
 *   else                                          as any segment
 */

import { Timeout } from '../expiry/timeouts.ts';
import { ACK, FIN, RST } from './tcp-segment.ts';
import { TcpState } from './tcp-state.ts';

const { CLOSED, SYN_SENT, ESTABLISHED, CLOSING, FIN_WAIT_2, TIME_WAIT } = TcpState;
const {
  TCP_OPENING: OPENS,
  TCP_ESTABLISHED: LIVES,
  TCP_CLOSING: ENDS,
  TCP_FIN_WAIT: WAITS,
  TCP_CLOSED: ENDED,
} = Timeout;

/** The sender's next state. RST takes precedence over FIN. */
// biome-ignore format: a table
const SENDER = [
  /* state        no FIN, no RST   FIN         RST */
  [  CLOSED,      SYN_SENT,        CLOSING,    TIME_WAIT ],
  [  SYN_SENT,    SYN_SENT,        CLOSING,    TIME_WAIT ],
  [  ESTABLISHED, ESTABLISHED,     CLOSING,    TIME_WAIT ],
  [  CLOSING,     CLOSING,         CLOSING,    TIME_WAIT ],
  [  FIN_WAIT_2,  FIN_WAIT_2,      FIN_WAIT_2, TIME_WAIT ],
  [  TIME_WAIT,   TIME_WAIT,       TIME_WAIT,  TIME_WAIT ],
] as const;

/** The receiver's next state. RST takes precedence over ACK. */
// biome-ignore format: a table
const RECEIVER = [
  /* state        no ACK, no RST   ACK          RST */
  [  CLOSED,      CLOSED,          CLOSED,      TIME_WAIT ],
  [  SYN_SENT,    SYN_SENT,        ESTABLISHED, TIME_WAIT ],
  [  ESTABLISHED, ESTABLISHED,     ESTABLISHED, TIME_WAIT ],
  [  CLOSING,     CLOSING,         FIN_WAIT_2,  TIME_WAIT ],
  [  FIN_WAIT_2,  FIN_WAIT_2,      FIN_WAIT_2,  TIME_WAIT ],
  [  TIME_WAIT,   TIME_WAIT,       TIME_WAIT,   TIME_WAIT ],
] as const;

/** The timeout of a connection, by the states of its peers. */
// biome-ignore format: a table
const TIMEOUTS = [
  /*               CLOSED SYN_SENT ESTABLISHED CLOSING FIN_WAIT_2 TIME_WAIT */
  [  CLOSED,      [OPENS, OPENS,   OPENS,      OPENS,  OPENS,     OPENS] ],
  [  SYN_SENT,    [OPENS, OPENS,   OPENS,      OPENS,  OPENS,     OPENS] ],
  [  ESTABLISHED, [OPENS, OPENS,   LIVES,      ENDS,   ENDS,      ENDS ] ],
  [  CLOSING,     [OPENS, OPENS,   ENDS,       WAITS,  WAITS,     WAITS] ],
  [  FIN_WAIT_2,  [OPENS, OPENS,   ENDS,       WAITS,  ENDED,     ENDED] ],
  [  TIME_WAIT,   [OPENS, OPENS,   ENDS,       WAITS,  ENDED,     ENDED] ],
] as const;

/** The tables by index. A state takes four bits, the flags that matter three. */
export const SENDER_NEXT: Uint8Array = new Uint8Array(16 << 3);
export const RECEIVER_NEXT: Uint8Array = new Uint8Array(16 << 3);
export const TIMEOUT_OF: Uint8Array = new Uint8Array(16 << 4);

for (const [state, other, withFin, withRst] of SENDER) {
  SENDER_NEXT[state << 3] = other;
  SENDER_NEXT[(state << 3) | FIN] = withFin;
  SENDER_NEXT[(state << 3) | RST] = withRst;
  SENDER_NEXT[(state << 3) | RST | FIN] = withRst;
}
for (const [state, other, withAck, withRst] of RECEIVER) {
  RECEIVER_NEXT[state << 3] = other;
  RECEIVER_NEXT[(state << 3) | (ACK >>> 4)] = withAck;
  RECEIVER_NEXT[(state << 3) | RST] = withRst;
  RECEIVER_NEXT[(state << 3) | RST | (ACK >>> 4)] = withRst;
}
for (const [source, timeouts] of TIMEOUTS) {
  Object.values(TcpState).forEach((destination, column) => {
    TIMEOUT_OF[(source << 4) | destination] = timeouts[column]!;
  });
}

/** @returns the TcpState of the peer that sends a segment with these flags */
export function senderNext(state: number, flags: number): number {
  return SENDER_NEXT[(state << 3) | (flags & (FIN | RST))]!;
}

/** @returns the TcpState of the peer that gets a segment with these flags */
export function receiverNext(state: number, flags: number): number {
  return RECEIVER_NEXT[(state << 3) | (flags & RST) | ((flags & ACK) >>> 4)]!;
}

/** @returns the Timeout of a connection with peers in these states */
export function tcpTimeoutOf(source: number, destination: number): number {
  return TIMEOUT_OF[(source << 4) | destination]!;
}
