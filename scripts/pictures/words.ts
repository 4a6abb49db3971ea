/** Names and numbers as readers see them, in tables and pictures. */

import type { Figure } from './data.ts';

const RESULTS: Readonly<Record<string, string>> = {
  'udp-insert': 'insertion',
  'udp-lookup': 'lookup',
  'udp6-insert': 'insertion, IPv6',
  'udp6-lookup': 'lookup, IPv6',
  'tcp-life': 'TCP lives',
  'tcp-data': 'TCP data',
  'tcp-handshake': 'TCP handshakes',
  churn: 'connections come and expire',
  'hot-tuple': '8 hot connections',
  'zones-commit': 'insertion into one zone of many',
  'zones-no-commit': 'lookup in one zone of many',
  'zones-flush-full': 'flush of a full zone, a connection',
  'zones-flush-empty': 'flush of an empty zone, a call',
};

/** "short-1-zone", "short-16-own-zones". */
function shortText(name: string): string | undefined {
  const [, zones, own] = /^short-(\d+)(-own)?-zones?$/.exec(name) ?? [];
  if (zones === undefined) {
    return undefined;
  }
  return `short connections, ${zones} zone${zones === '1' ? '' : 's'}${own === undefined ? '' : ' for each thread'}`;
}

/** A result of a workload in words. A result that has none keeps its name. */
export function resultText(what: string): string {
  const [name = what, ...rest] = what.split(', ');
  return [RESULTS[name] ?? shortText(name) ?? name, ...rest].join(', ');
}

/** "147", "14.7", "1.47", "0.147": three digits, and never an exponent. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) {
    return value.toFixed(0).replaceAll(/\B(?=(\d{3})+$)/g, ',');
  }
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3;
  return value.toFixed(digits);
}

/** "×1.81": all ratios have two decimals up to 10. */
export function timesText(value: number): string {
  return `×${value >= 10 ? value.toFixed(1) : value.toFixed(2)}`;
}

type Interval = Pick<Figure, 'value' | 'low' | 'high'>;

/** "1.81 (1.70 to 1.90)"; without an interval "1.81". */
export function figureText({ value, low, high }: Interval, text: (value: number) => string = numberText): string {
  const bare = (bound: number) => text(bound).replace('×', '');
  return low === undefined || high === undefined ? text(value) : `${text(value)} (${bare(low)} to ${bare(high)})`;
}

/** "10 k", "1 M", "16 M". */
export function sizeText(count: number): string {
  if (count >= 1_000_000) {
    return `${Number((count / 1e6).toFixed(1))} M`;
  }
  return count >= 1000 ? `${Number((count / 1000).toFixed(1))} k` : String(count);
}

export function threadsText(threads: number): string {
  return `${threads} thread${threads === 1 ? '' : 's'}`;
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[], left = 1): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, index) => (index < left ? '---' : '---:'));
  return [line(head), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
}
