/** Formats numbers for people. */

import { thousands as groups } from '../../src/host/terminal.ts';

/** Three significant digits, or all digits before the decimal point. */
export function short(value: number): string {
  if (!Number.isFinite(value)) {
    return '–';
  }
  const size = Math.abs(value);
  if (size >= 100) {
    return groups(Math.round(value));
  }
  if (size >= 10) {
    return value.toFixed(1);
  }
  return size >= 1 || size === 0 ? value.toFixed(2) : String(Number(value.toPrecision(2)));
}

/** Writes 1000000 as 1,000,000, like all output of the commands. */
export { thousands as groups } from '../../src/host/terminal.ts';

const SCALES = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** Writes 1500000 as 1.5 M, for ticks and counts. */
export function scaled(value: number): string {
  for (const [scale, letter] of SCALES) {
    if (Math.abs(value) >= scale) {
      return `${Number((value / scale).toPrecision(3))}\u00a0${letter}`;
    }
  }
  return String(Number(value.toPrecision(3)));
}

export function ms(value: number): string {
  if (!Number.isFinite(value)) {
    return '–';
  }
  return `${value < 10 ? value.toFixed(2) : groups(Math.round(value))}\u00a0ms`;
}

export function rate(packetsPerSecond: number): string {
  return `${mega(packetsPerSecond)}\u00a0Mpps`;
}

/** Millions with three significant digits. */
export function mega(packetsPerSecond: number): string {
  return String(Number((packetsPerSecond / 1e6).toPrecision(3)));
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}\u00a0%`;
}

/** Writes "2", or "4 (of 2 cores)". */
export function threadsLabel(threads: number, cores: number): string {
  return threads > cores ? `${threads} (of ${cores} cores)` : String(threads);
}
