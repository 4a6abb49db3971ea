/** Connections, expectations and statistics as text, in the forms of Open vSwitch's `dpctl` (ovs-appctl dpctl/...). */

import type { ExpectationEntry } from '../alg/dump.ts';
import type { ConnEntry, TcpInfo } from './dump.ts';
import type { FragmentListEntry } from '../fragments/dump.ts';
import { expectFlag, expectMembers, expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { protocolName } from '../options/protocol-names.ts';
import { TcpState } from '../proto/tcp-state.ts';
import type { ConnStats } from './stats.ts';
import type { Tuple } from './tuple.ts';
import type { ZoneLimit } from '../zones/zone-limits.ts';

export interface FormatConnOptions {
  /** -m: print both TCP peers with scales and flags, and the parent of a related connection. */
  more?: boolean;
  /** -s: print the timeout. */
  statistics?: boolean;
}

export interface FormatConnStatsOptions {
  /** Print the TCP connections by state. */
  verbose?: boolean;
}

export interface FormatBucketsOptions {
  /** Print `.` for buckets with at most this many connections. Default: 0. */
  greaterThan?: number;
}

const CONN_OPTIONS: OptionNames<FormatConnOptions> = { more: true, statistics: true };
const STATS_OPTIONS: OptionNames<FormatConnStatsOptions> = { verbose: true };
const BUCKETS_OPTIONS: OptionNames<FormatBucketsOptions> = { greaterThan: true };

/** Flags of a TCP peer, from bit 0 on. */
const TCP_FLAG_NAMES = ['WINDOW_SCALE', 'SACK_PERM', 'CLOSE_INIT', 'BE_LIBERAL', 'DATA_UNACKNOWLEDGED', 'MAXACK_SET'];

function protocolText(proto: number): string {
  return protocolName(proto, 'dpctl') ?? String(proto);
}

/** src=...,dst=...,sport=...,dport=... */
export function formatTupleText(tuple: Tuple): string {
  expectMembers('a tuple', tuple, ['src', 'dst']);
  const ends = `src=${tuple.src},dst=${tuple.dst}`;
  return 'id' in tuple
    ? `${ends},id=${tuple.id},type=${tuple.type},code=${tuple.code}`
    : `${ends},sport=${tuple.sport},dport=${tuple.dport}`;
}

/** The zone, unless it is 0. */
function zoneText(zone: number): string {
  return zone === 0 ? '' : `,zone=${zone}`;
}

/**
 * Mark and label, unless they are 0. The label is printed without leading zeros, but with whole bytes after the first.
 */
function marksText(mark: number, label: string): string {
  const digits = label.replace(/^(00)+/, '').replace(/^0/, '');
  return (mark === 0 ? '' : `,mark=${mark}`) + (digits === '' ? '' : `,labels=0x${digits}`);
}

function tcpFlagsText(flags: number): string {
  const names = TCP_FLAG_NAMES.filter((_, bit) => (flags & (1 << bit)) !== 0);
  return names.length === 0 ? '0' : names.join('|');
}

function tcpNumber(name: string): number {
  return TcpState[name as keyof typeof TcpState] ?? 0;
}

/** The state of the peer that is further on; FIN_WAIT_2 appears as TIME_WAIT. */
export function joinedTcpStateName({ stateOrig, stateReply }: TcpInfo): string {
  const furthest = tcpNumber(stateOrig) > tcpNumber(stateReply) ? stateOrig : stateReply;
  return furthest === 'FIN_WAIT_2' ? 'TIME_WAIT' : furthest;
}

function tcpText(tcp: TcpInfo, more: boolean): string {
  if (!more) {
    return `,protoinfo=(state=${joinedTcpStateName(tcp)})`;
  }
  const scales =
    tcp.wscaleOrig === 0 && tcp.wscaleReply === 0
      ? ''
      : `,wscale_orig=${tcp.wscaleOrig},wscale_reply=${tcp.wscaleReply}`;
  const flags = `,flags_orig=${tcpFlagsText(tcp.flagsOrig)},flags_reply=${tcpFlagsText(tcp.flagsReply)}`;
  return `,protoinfo=(state_orig=${tcp.stateOrig},state_reply=${tcp.stateReply}${scales}${flags})`;
}

/**
 * A line of `dump-conntrack`. As in Open vSwitch's userspace tracker there are neither ids nor status bits: with -m
 * both are printed as 0.
 */
export function formatConn(entry: ConnEntry, options: FormatConnOptions = {}): string {
  const given = expectOptions('the options of formatConn', options, CONN_OPTIONS);
  expectMembers('a connection', entry, ['orig', 'reply', 'zone', 'mark', 'label', 'timeoutMs']);
  const more = expectFlag('more', given.more);
  const statistics = expectFlag('statistics', given.statistics);
  return (
    `${protocolText(entry.orig.proto)},orig=(${formatTupleText(entry.orig)}),reply=(${formatTupleText(entry.reply)})` +
    (more ? ',id=0' : '') +
    zoneText(entry.zone) +
    (more ? ',status=0' : '') +
    (statistics ? `,timeout=${Math.max(0, Math.floor(entry.timeoutMs / 1000))}` : '') +
    marksText(entry.mark, entry.label) +
    (entry.tcp === undefined ? '' : tcpText(entry.tcp, more)) +
    (entry.helper === undefined ? '' : `,helper=${entry.helper}`) +
    (more && entry.parent !== undefined ? `,parent=(${formatTupleText(entry.parent)})` : '')
  );
}

/** A line of `dump-conntrack-exp`. */
export function formatExpectation(entry: ExpectationEntry): string {
  expectMembers('an expectation', entry, ['orig', 'zone', 'mark', 'label', 'parent']);
  return (
    `${protocolText(entry.orig.proto)},orig=(${formatTupleText(entry.orig)})` +
    zoneText(entry.zone) +
    marksText(entry.mark, entry.label) +
    `,parent=(${formatTupleText(entry.parent)})`
  );
}

/** The protocols that have a line in `ct-stats-show`, in its order. ICMPv6 is counted, but has no line. */
const STATS_LINES: readonly (readonly [label: string, protocol: string])[] = [
  ['UDP', 'udp'],
  ['UDPLITE', 'udplite'],
  ['SCTP', 'sctp'],
  ['ICMP', 'icmp'],
  ['DCCP', 'dccp'],
  ['IGMP', 'igmp'],
  ['Other', 'other'],
];

/** `ct-stats-show`. */
export function formatConnStats(stats: ConnStats, options: FormatConnStatsOptions = {}): string {
  const { verbose } = expectOptions('the options of formatConnStats', options, STATS_OPTIONS);
  const showsStates = expectFlag('verbose', verbose);
  expectMembers('the statistics of connections', stats, ['total', 'byProtocol', 'tcpByState']);
  const lines = ['Connections Stats:', `    Total: ${stats.total}`];
  const tcp = stats.byProtocol['tcp'] ?? 0;
  if (tcp > 0) {
    lines.push(`  TCP: ${tcp}`);
    if (showsStates) {
      lines.push('    Conn per TCP states:');
      const states = Object.entries(stats.tcpByState).toSorted(([a], [b]) => tcpNumber(a) - tcpNumber(b));
      lines.push(...states.map(([state, count]) => `\t  [${state}]=${count}`));
    }
  }
  for (const [label, protocol] of STATS_LINES) {
    const count = stats.byProtocol[protocol] ?? 0;
    if (count > 0) {
      lines.push(`  ${label}: ${count}`);
    }
  }
  return lines.join('\n');
}

const BUCKETS_PER_ROW = 8;

/** `ct-bkts`: connections per bucket, eight buckets in a row. */
export function formatBuckets(stats: ConnStats, options: FormatBucketsOptions = {}): string {
  const { greaterThan = 0 } = expectOptions('the options of formatBuckets', options, BUCKETS_OPTIONS);
  expectWhole('greaterThan', greaterThan, 0, 0xffffffff);
  expectMembers('the statistics of connections', stats, ['total', 'byBucket']);
  const { byBucket, total } = stats;
  let text = `Total Buckets: ${byBucket.length}\nCurrent Connections: ${total}\n\n`;
  if (total === 0) {
    return text;
  }
  const rule = `+-----------+${'-'.repeat(41)}+\n`;
  text += `${rule}|  Buckets  |${'Connections per Buckets'.padStart(32).padEnd(41)}|\n${rule.trimEnd()}`;
  byBucket.forEach((count, bucket) => {
    if (bucket % BUCKETS_PER_ROW === 0) {
      const last = bucket + BUCKETS_PER_ROW - 1;
      text += `\n ${String(bucket).padStart(3)}..${String(last).padStart(3)}   | `;
    }
    text += (count > greaterThan ? String(count) : '.').padStart(5);
  });
  return `${text}\n\n`;
}

/** `ct-get-limits`: the default limit first, wherever it stands, then a line for each zone. */
export function formatZoneLimits(limits: readonly ZoneLimit[]): string {
  if (!Array.isArray(limits)) {
    throw new UsageError(`zone limits must be a list (conntrack.zoneLimits()), not ${shown(limits)}`);
  }
  const byDefault = limits.filter(({ zone }) => zone === 'default').map(({ limit }) => `default limit=${limit}`);
  const zones = limits.filter(({ zone }) => zone !== 'default');
  return (
    byDefault.join('') + zones.map(({ zone, limit, count }) => `\nzone=${zone},limit=${limit},count=${count}`).join('')
  );
}

const LIST_STATES: Record<FragmentListEntry['state'], string> = {
  OTHER_SEEN: 'other frag',
  FIRST_SEEN: 'first frag',
  LAST_SEEN: 'last frag',
  BOTH_SEEN: 'first/last frag',
  COMPLETED: 'complete',
  FAILED: 'reassemble fail',
};

/** A line of `ipf-get-status -m`. This tracker has no recirculation ids: the id is 0. */
export function formatFragmentList(list: FragmentListEntry): string {
  return (
    `(src=${list.src},dst=${list.dst},recirc_id=0,ip_id=${list.ipId},` +
    `dl_type=${list.family === 'v4' ? '0x800' : '0x86dd'},zone=${list.zone},nw_proto=${list.proto},` +
    `num_fragments=${list.numFragments},state=${LIST_STATES[list.state]})`
  );
}
