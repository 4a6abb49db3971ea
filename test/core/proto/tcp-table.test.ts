/** The tables of the TCP state machine, checked against rules for all of their cells. */

import { describe, expect, it } from 'vitest';
import { ACK, FIN, RST, SYN } from '../../../src/core/proto/tcp-segment.ts';
import { TcpState } from '../../../src/core/proto/tcp-state.ts';
import { receiverNext, senderNext, tcpTimeoutOf } from '../../../src/core/proto/tcp-table.ts';
import { Timeout } from '../../../src/core/expiry/timeouts.ts';

const STATES = Object.values(TcpState);
const FLAGS = Array.from({ length: 256 }, (_, flags) => flags);

describe('the TCP state tables', () => {
  it.each(STATES)('never move a peer in state %i back', (state) => {
    for (const flags of FLAGS) {
      expect(senderNext(state, flags)).toBeGreaterThanOrEqual(state);
      expect(receiverNext(state, flags)).toBeGreaterThanOrEqual(state);
    }
  });

  it.each(STATES)('end a connection with a peer in state %i by RST, whatever else is set', (state) => {
    for (const flags of FLAGS.filter((each) => (each & RST) !== 0)) {
      expect(senderNext(state, flags)).toBe(TcpState.TIME_WAIT);
      expect(receiverNext(state, flags)).toBe(TcpState.TIME_WAIT);
    }
  });

  it('let the sender close by FIN, and the receiver be acknowledged by ACK', () => {
    expect(senderNext(TcpState.ESTABLISHED, FIN | ACK)).toBe(TcpState.CLOSING);
    expect(senderNext(TcpState.ESTABLISHED, ACK)).toBe(TcpState.ESTABLISHED);
    expect(senderNext(TcpState.CLOSED, SYN | ACK)).toBe(TcpState.SYN_SENT);
    expect(receiverNext(TcpState.SYN_SENT, ACK)).toBe(TcpState.ESTABLISHED);
    expect(receiverNext(TcpState.CLOSING, FIN | ACK)).toBe(TcpState.FIN_WAIT_2);
    expect(receiverNext(TcpState.CLOSING, FIN)).toBe(TcpState.CLOSING);
  });

  it('choose the timeout by the peer that is less far and the one that is further', () => {
    for (const a of STATES) {
      for (const b of STATES) {
        const [least, most] = [Math.min(a, b), Math.max(a, b)];
        let timeout: number = most >= TcpState.CLOSING ? Timeout.TCP_CLOSING : Timeout.TCP_ESTABLISHED;
        if (least >= TcpState.FIN_WAIT_2) {
          timeout = Timeout.TCP_CLOSED;
        } else if (least >= TcpState.CLOSING) {
          timeout = Timeout.TCP_FIN_WAIT;
        } else if (least < TcpState.ESTABLISHED) {
          timeout = Timeout.TCP_OPENING;
        }
        expect(tcpTimeoutOf(a, b)).toBe(timeout);
      }
    }
  });
});
