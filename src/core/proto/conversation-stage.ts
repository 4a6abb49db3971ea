/** How far a conversation got, read from the connection's STATE word. Early drop chooses its victims by it. */

import { IcmpState, OtherState } from './datagram.ts';
import { origTcpState, replyTcpState, TcpState } from './tcp-state.ts';

/** The stages, the cheapest to lose first. */
export const Stage = {
  /** No reply; one packet, or the state cannot tell. */
  ONE_PACKET: 0,
  /** No reply; several packets. */
  ONE_WAY: 1,
  /** TCP: replied, but one end has not acknowledged the other's SYN, or both ends have closed. */
  HALF_OPEN: 2,
  REPLIED: 3,
} as const;

/** The stage of a UDP connection, or of another protocol without a state machine of its own. */
export function otherStage(state: number): number {
  if (state === OtherState.BIDIR) {
    return Stage.REPLIED;
  }
  return state === OtherState.FIRST ? Stage.ONE_PACKET : Stage.ONE_WAY;
}

export function icmpStage(state: number): number {
  return state === IcmpState.FIRST ? Stage.ONE_PACKET : Stage.REPLIED;
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
  return isOpen && !isOver ? Stage.REPLIED : Stage.HALF_OPEN;
}
