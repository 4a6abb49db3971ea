/**
 * The STATE word of a TCP connection: the states of both ends ("peers") and their window scales, in one word.
 *
 *   bit   31..26   25             24        23 . . . . 16   15 . . . . 8   7 . . . . 4   3 . . . . 0
 *       +--------+--------------+---------+--------------+--------------+-------------+-------------+
 *       |   0    | TCP_WAS_     | TCP_    | scale byte   | scale byte   | TcpState    | TcpState    |
 *       |        | REPLIED      | ASSURED | reply peer   | orig peer    | reply peer  | orig peer   |
 *       +--------+--------------+---------+--------------+--------------+-------------+-------------+
 *
 *   scale byte      SCALE_KNOWN | SCALE_UNKNOWN | 0 | 0 | the scale (SCALE_MASK)
 *
 * It is written before the record is linked, then under the connection's lock. Reads without the lock are hints.
 */

/** States of a peer, with the numbers of Open vSwitch: comparisons rely on their order. */
export const TcpState = {
  CLOSED: 0,
  SYN_SENT: 2,
  ESTABLISHED: 4,
  CLOSING: 7,
  FIN_WAIT_2: 9,
  TIME_WAIT: 10,
} as const;

const TCP_STATE_NAMES = new Map<number, string>(Object.entries(TcpState).map(([name, value]) => [value, name]));

export function tcpStateName(state: number): string {
  return TCP_STATE_NAMES.get(state) ?? String(state);
}

/** The bits of one peer's state, and the shift of the reply peer's. */
export const STATE_MASK = 0xf;
export const REPLY_STATE_SHIFT = 4;
/** The states of both peers. */
export const PEER_STATES = 0xff;
/** The state bits of the reply peer. */
export const REPLY_STATE: number = STATE_MASK << REPLY_STATE_SHIFT;
export const BOTH_ESTABLISHED: number = TcpState.ESTABLISHED | (TcpState.ESTABLISHED << REPLY_STATE_SHIFT);

/** The scale bytes of both peers, and their shifts in the word. */
export const PEER_SCALES = 0xffff;
export const ORIG_SCALE_SHIFT = 8;
export const REPLY_SCALE_SHIFT = 16;
/** Bits of a peer's scale byte: option seen in the SYN; unknown, since picked up in mid-stream; the scale itself. */
export const SCALE_KNOWN = 0x80;
export const SCALE_UNKNOWN = 0x40;
export const SCALE_MASK = 0x0f;

/**
 * Both peers were ESTABLISHED at the same time. Linux calls such a connection assured, and so do events. The bit stays
 * when the peers close.
 */
export const TCP_ASSURED = 1 << 24;
/** A SYN has reopened the tuple, and the connection had a reply before. For the connection's last event. */
export const TCP_WAS_REPLIED = 1 << 25;

/** The state of the peer that sent the first packet. */
export function origTcpState(state: number): number {
  return state & STATE_MASK;
}

/** The state of the other peer. */
export function replyTcpState(state: number): number {
  return (state >>> REPLY_STATE_SHIFT) & STATE_MASK;
}
