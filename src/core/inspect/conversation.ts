/** How far a conversation got, read from a record's STATE word. */

import { metaProtocol } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';
import { ICMP_REPLIED, OTHER_REPLIED } from '../proto/datagram.ts';
import { origTcpState, replyTcpState, TCP_WAS_REPLIED, TcpState } from '../proto/tcp-state.ts';

/** Have packets come from both ends? */
export function hasReply(meta: number, state: number): boolean {
  const protocol = metaProtocol(meta);
  if (protocol === Protocol.TCP) {
    return replyTcpState(state) !== TcpState.CLOSED || (state & TCP_WAS_REPLIED) !== 0;
  }
  return state >= (protocol === Protocol.ICMP || protocol === Protocol.ICMPV6 ? ICMP_REPLIED : OTHER_REPLIED);
}

/**
 * The single TCP state that Open vSwitch prints for a connection: that of the peer that is further on. FIN_WAIT_2 is
 * printed as TIME_WAIT.
 * @returns a TcpState
 */
export function joinedTcpState(state: number): number {
  const furthest = Math.max(origTcpState(state), replyTcpState(state));
  return furthest === TcpState.FIN_WAIT_2 ? TcpState.TIME_WAIT : furthest;
}
