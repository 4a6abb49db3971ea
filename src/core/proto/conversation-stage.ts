/** How far the conversation of a connection got, told from its STATE word, for those who must choose among connections. */

import { IcmpState, OtherState } from './datagram.ts';
import { origTcpState, replyTcpState, TcpState } from './tcp-state.ts';

/** In the order in which connections are worth keeping. */
export const Stage = {
  /** Never answered; one packet, as far as the state can tell. */
  ONE_PACKET: 0,
  /** Never answered; several packets. */
  ONE_WAY: 1,
  /** TCP: answered, but one end has not acknowledged the other's SYN; or closed by both. */
  HALF_OPEN: 2,
  ANSWERED: 3,
} as const;

/** UDP and others. */
export function otherStage(state: number): number {
  if (state === OtherState.BIDIR) {
    return Stage.ANSWERED;
  }
  return state === OtherState.FIRST ? Stage.ONE_PACKET : Stage.ONE_WAY;
}

export function icmpStage(state: number): number {
  return state === IcmpState.FIRST ? Stage.ONE_PACKET : Stage.ANSWERED;
}

/** A retransmitted SYN leaves no trace in the state: one packet and several look the same. */
export function tcpStage(state: number): number {
  const orig = origTcpState(state);
  const reply = replyTcpState(state);
  if (reply === TcpState.CLOSED) {
    return Stage.ONE_PACKET;
  }
  const isOpen = orig >= TcpState.ESTABLISHED && reply >= TcpState.ESTABLISHED;
  const isOver = orig >= TcpState.FIN_WAIT_2 && reply >= TcpState.FIN_WAIT_2;
  return isOpen && !isOver ? Stage.ANSWERED : Stage.HALF_OPEN;
}
