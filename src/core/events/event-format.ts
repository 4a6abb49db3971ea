/** Events as text, in the form of `conntrack -E` (conntrack-tools). */

import type { TcpInfo } from '../inspect/dump.ts';
import type { ConnEvent } from './event-reader.ts';
import { expectFlag, expectMembers } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { protocolName } from '../options/protocol-names.ts';
import type { Tuple } from '../inspect/tuple.ts';

export interface FormatEventOptions {
  /** Print [seconds.microseconds] first, as `-o timestamp` does. */
  timestamp?: boolean;
  /** Print the connection's id, as `-o id` does. */
  id?: boolean;
}

const OPTION_NAMES: OptionNames<FormatEventOptions> = { timestamp: true, id: true };

/** The width of the longest kind. Kinds are right-aligned. */
const KIND_WIDTH = 9;

/**
 * The state of the connection under Linux's name. The tracker has a state for each peer. CLOSING means that the peer
 * sent a FIN, FIN_WAIT_2 that this FIN was acknowledged. After a RST both are in TIME_WAIT.
 */
function linuxTcpState({ stateOrig, stateReply }: TcpInfo): string {
  const states = [stateOrig, stateReply];
  const count = (name: string) => states.filter((state) => state === name).length;
  if (count('TIME_WAIT') > 0) {
    return 'CLOSE';
  }
  if (count('FIN_WAIT_2') === 2) {
    return 'TIME_WAIT';
  }
  if (count('FIN_WAIT_2') + count('CLOSING') === 2) {
    return 'LAST_ACK';
  }
  if (count('FIN_WAIT_2') === 1) {
    return 'CLOSE_WAIT';
  }
  if (count('CLOSING') === 1) {
    return 'FIN_WAIT';
  }
  if (count('ESTABLISHED') === 2) {
    return 'ESTABLISHED';
  }
  if (count('CLOSED') === 2) {
    return 'NONE';
  }
  return count('CLOSED') === 1 ? 'SYN_SENT' : 'SYN_RECV';
}

function tupleText(tuple: Tuple): string {
  const ends = `src=${tuple.src} dst=${tuple.dst}`;
  if ('id' in tuple) {
    return `${ends} type=${tuple.type} code=${tuple.code} id=${tuple.id}`;
  }
  /* Protocols without ports. */
  return tuple.sport === 0 && tuple.dport === 0 ? ends : `${ends} sport=${tuple.sport} dport=${tuple.dport}`;
}

function timestampText(timeMs: number): string {
  /* Before 1970 the sign belongs to the whole number. */
  const sinceMs = Math.abs(timeMs);
  const seconds = Math.floor(sinceMs / 1000);
  const microseconds = Math.floor((sinceMs - seconds * 1000) * 1000);
  return `[${timeMs < 0 ? '-' : ''}${seconds}.${String(microseconds).padStart(6, '0')}]\t`;
}

/**
 * The event as one line, without a newline. As on Linux, a destroy has neither timeout nor state. Its reason is in the
 * event object.
 */
export function formatEvent(event: ConnEvent, options: FormatEventOptions = {}): string {
  const given = expectOptions('the options of formatEvent', options, OPTION_NAMES);
  const hasTimestamp = expectFlag('timestamp', given.timestamp);
  const hasId = expectFlag('id', given.id);
  expectMembers('an event', event, ['kind', 'orig', 'reply', 'zone', 'mark', 'timeoutMs']);
  const { orig, reply, tcp, kind, zone, mark } = event;
  const isLive = kind !== 'destroy';
  const parts = [
    `[${kind.toUpperCase()}]`.padStart(KIND_WIDTH),
    `${(protocolName(orig.proto, 'conntrack') ?? 'unknown').padEnd(8)} ${orig.proto}`,
    isLive ? String(Math.max(0, Math.floor(event.timeoutMs / 1000))) : '',
    isLive && tcp !== undefined ? linuxTcpState(tcp) : '',
    tupleText(orig),
    event.hasReply ? '' : '[UNREPLIED]',
    tupleText(reply),
    event.isAssured ? '[ASSURED]' : '',
    mark === 0 ? '' : `mark=${mark}`,
    zone === 0 ? '' : `zone=${zone}`,
    hasId ? `id=${event.id}` : '',
  ];
  const line = parts.filter((part) => part !== '').join(' ');
  return hasTimestamp ? timestampText(event.timeMs) + line : line;
}
