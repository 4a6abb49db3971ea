/**
 * Filters: which connections a dump lists or a flush removes. A filter is compiled once, and then tests records where
 * they lie in the table, before any object is created. So a dump of a few connections out of a million costs no more
 * than the walk.
 */

import { peek } from '../../shared/access.ts';
import { labelWords, MASKED_NAMES, type MaskedLabel, type MaskedMark, markWords } from '../action.ts';
import { shown, UsageError } from '../errors.ts';
import { expectConditions, expectOptions, type OptionNames } from '../options/option-names.ts';
import { META_IPV6, metaProtocol, metaZone, reverseMeta } from '../packet/key.ts';
import { PacketWord, Protocol, swapPorts } from '../packet/layout.ts';
import { hasReply, joinedTcpState } from './conversation.ts';
import { origTcpState, replyTcpState, TcpState } from '../proto/tcp-state.ts';
import { ConnFlag, ConnWord } from '../table/conn.ts';
import type { Tuple } from './tuple.ts';
import { ANY, is, numberOrAny, type TupleFilter, TupleMatch, tupleOf } from './tuple-match.ts';
import { MAX_ZONE } from '../zones/zone.ts';
import { readLabel } from '../path/verdict.ts';

export type { TupleFilter } from './tuple-match.ts';

export type TcpStateName = 'CLOSED' | 'SYN_SENT' | 'ESTABLISHED' | 'CLOSING' | 'FIN_WAIT_2' | 'TIME_WAIT';

export type IpFamilyName = 'ipv4' | 'ipv6';

/** A connection must satisfy all conditions that are given. */
export interface ConnFilterOptions {
  zone?: number;
  /** Bits in the mask must equal those of the value. A mask of 0 is no condition. */
  mark?: MaskedMark;
  label?: MaskedLabel;
  /** Address family. */
  family?: IpFamilyName;
  /** IP protocol number. */
  proto?: number;
  orig?: TupleFilter;
  reply?: TupleFilter;
  /** The single state that a dump shows, or the state of the peer that is further on. */
  tcpState?: TcpStateName;
  /** 'replied': packets came from both ends; 'unreplied': from one; 'established': replied, and TCP is ESTABLISHED. */
  seen?: 'replied' | 'unreplied' | 'established';
}

const NAMES: OptionNames<ConnFilterOptions> = {
  zone: true,
  mark: true,
  label: true,
  family: true,
  proto: true,
  orig: true,
  reply: true,
  tcpState: true,
  seen: true,
};

const SEEN = ['replied', 'unreplied', 'established'];
const FAMILIES = ['ipv4', 'ipv6'];

/** A frozen copy: later changes of the caller's object do not change the filter. */
function copyOf(given: ConnFilterOptions): ConnFilterOptions {
  const options = expectConditions('a filter', given, NAMES);
  const { mark, label, orig, reply } = options;
  return Object.freeze({
    ...options,
    ...(mark === undefined ? {} : { mark: Object.freeze(expectOptions('a mark', mark, MASKED_NAMES)) }),
    ...(label === undefined ? {} : { label: Object.freeze(expectOptions('a label', label, MASKED_NAMES)) }),
    ...(orig === undefined ? {} : { orig: tupleOf(orig) }),
    ...(reply === undefined ? {} : { reply: tupleOf(reply) }),
  });
}

export class ConnFilter {
  /** The options of the filter, frozen. */
  readonly options: Readonly<ConnFilterOptions>;
  readonly #zone: number;
  /** META_IPV6 or 0; ANY. */
  readonly #family: number;
  readonly #proto: number;
  readonly #markValue: number;
  readonly #markMask: number;
  readonly #labelValue: Int32Array;
  readonly #labelMask: Int32Array;
  readonly #hasLabel: boolean;
  readonly #orig: TupleMatch | undefined;
  readonly #reply: TupleMatch | undefined;
  readonly #label = new Int32Array(PacketWord.LABEL + 4);

  /** @throws UsageError for a value out of range */
  constructor(given: ConnFilterOptions = {}) {
    const options = copyOf(given);
    const { mark, label, family } = options;
    this.options = options;
    this.#zone = numberOrAny('zone', options.zone, MAX_ZONE);
    if (family !== undefined && !FAMILIES.includes(family)) {
      throw new UsageError(`family must be one of ${FAMILIES.join(', ')}, not ${shown(family)}`);
    }
    this.#proto = numberOrAny('proto', options.proto, 0xff);
    [this.#markValue, this.#markMask] = mark === undefined ? [0, 0] : markWords(mark);
    const [labelValue, labelMask] = label === undefined ? [new Int32Array(4), new Int32Array(4)] : labelWords(label);
    this.#labelMask = labelMask;
    this.#labelValue = labelValue.map((word, i) => word & labelMask[i]!);
    this.#hasLabel = this.#labelMask.some((word) => word !== 0);
    this.#orig = options.orig === undefined ? undefined : new TupleMatch(options.orig);
    this.#reply = options.reply === undefined ? undefined : new TupleMatch(options.reply);
    if (options.tcpState !== undefined && !Object.hasOwn(TcpState, options.tcpState)) {
      const known = Object.keys(TcpState).join(', ');
      throw new UsageError(`tcpState must be one of ${known}, not ${shown(options.tcpState)}`);
    }
    if (options.seen !== undefined && !SEEN.includes(options.seen)) {
      throw new UsageError(`seen must be one of ${SEEN.join(', ')}, not ${shown(options.seen)}`);
    }
    const named = family === undefined ? undefined : family === 'ipv6';
    const families = [named, this.#orig?.isIpv6, this.#reply?.isIpv6].filter((isIpv6) => isIpv6 !== undefined);
    if (families.includes(true) && families.includes(false)) {
      throw new UsageError('the original tuple, the reply tuple and the family must be of one address family');
    }
    this.#family = families.length === 0 ? ANY : families[0] ? META_IPV6 : 0;
  }

  /** A filter from a filter, from its options, or from nothing. @throws UsageError */
  static of(filter: ConnFilter | ConnFilterOptions | undefined): ConnFilter {
    return filter instanceof ConnFilter ? filter : new ConnFilter(filter);
  }

  /** @internal Does the connection at word `r` match? Takes no lock. */
  matches(records: Int32Array<SharedArrayBuffer>, r: number): boolean {
    const meta = records[r + ConnWord.META]!;
    if (
      !is(this.#zone, metaZone(meta)) ||
      !is(this.#proto, metaProtocol(meta)) ||
      !is(this.#family, meta & META_IPV6)
    ) {
      return false;
    }
    if (((peek(records, r + ConnWord.MARK) ^ this.#markValue) & this.#markMask) !== 0) {
      return false;
    }
    return (
      this.#matchesTuples(records, r, meta) &&
      (!this.#hasLabel || this.#matchesLabel(records, r)) &&
      this.#matchesState(meta, peek(records, r + ConnWord.STATE))
    );
  }

  #matchesTuples(records: Int32Array, r: number, meta: number): boolean {
    const isIpv6 = (meta & META_IPV6) !== 0;
    const ports = records[r + ConnWord.PORTS]!;
    const src = r + (isIpv6 ? ConnWord.SRC6 : ConnWord.SRC);
    const dst = r + (isIpv6 ? ConnWord.DST6 : ConnWord.DST);
    if (this.#orig !== undefined && !this.#orig.matches(records, meta, ports, src, dst)) {
      return false;
    }
    if (this.#reply === undefined) {
      return true;
    }
    if ((records[r + ConnWord.FLAGS]! & ConnFlag.TRANSLATED) === 0) {
      return this.#reply.matches(records, reverseMeta(meta), swapPorts(ports), dst, src);
    }
    const reverseSrc = r + (isIpv6 ? ConnWord.REV_SRC6 : ConnWord.REV_SRC);
    const reverseDst = r + (isIpv6 ? ConnWord.REV_DST6 : ConnWord.REV_DST);
    return this.#reply.matches(records, reverseMeta(meta), records[r + ConnWord.REV_PORTS]!, reverseSrc, reverseDst);
  }

  #matchesLabel(records: Int32Array<SharedArrayBuffer>, r: number): boolean {
    readLabel(records, r, this.#label, 0);
    return this.#labelMask.every((mask, i) => (this.#label[PacketWord.LABEL + i]! & mask) === this.#labelValue[i]);
  }

  #matchesState(meta: number, state: number): boolean {
    const { tcpState, seen } = this.options;
    const isTcp = metaProtocol(meta) === Protocol.TCP;
    if (tcpState !== undefined) {
      const wanted = TcpState[tcpState];
      const furthest = Math.max(origTcpState(state), replyTcpState(state));
      if (!isTcp || (joinedTcpState(state) !== wanted && furthest !== wanted)) {
        return false;
      }
    }
    switch (seen) {
      case 'replied':
        return hasReply(meta, state);
      case 'unreplied':
        return !hasReply(meta, state);
      case 'established':
        return hasReply(meta, state) && (!isTcp || joinedTcpState(state) === TcpState.ESTABLISHED);
      default:
        return true;
    }
  }

  /**
   * The tuple, if the filter names exactly one connection and no condition besides a zone. For such a filter Open
   * vSwitch removes the connection by its tuple, in either direction, in zone 0 by default. It reports an error if
   * there is none (Conntrack.flushTuple). A mask of 0 is no condition. For ICMP the two addresses are enough. A reply
   * tuple without addresses does not count.
   */
  get fiveTuple(): Tuple | undefined {
    const { orig, reply, proto, tcpState, seen } = this.options;
    const isBare = this.#markMask === 0 && !this.#hasLabel && tcpState === undefined && seen === undefined;
    if (orig?.src === undefined || orig.dst === undefined || proto === undefined || !isBare) {
      return undefined;
    }
    const { src, dst, sport, dport } = orig;
    const isIcmp = proto === Protocol.ICMP || proto === Protocol.ICMPV6;
    const hasPorts = !isIcmp && (reply?.sport !== undefined || reply?.dport !== undefined);
    if (reply?.src !== undefined || reply?.dst !== undefined || hasPorts) {
      return undefined;
    }
    if (isIcmp) {
      return { src, dst, proto, id: orig.id ?? 0, type: orig.type ?? 0, code: orig.code ?? 0 };
    }
    return sport === undefined || dport === undefined ? undefined : { src, dst, proto, sport, dport };
  }
}
