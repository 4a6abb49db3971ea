/** Expectations about translations where the tracker may choose (`natInRange`, `natSameAs`, `*`). */

import { parseIpv4, parseIpv6 } from '../../core/inspect/address.ts';
import { UsageError } from '../../core/errors.ts';
import { swapWord } from '../../core/packet/layout.ts';
import type { Tuple } from '../../core/inspect/tuple.ts';
import { endOf, withEnd, type End, type EndName } from './scenario-ends.ts';

/** A range of addresses and ports, both inclusive. */
export interface EndRange {
  minAddr: string;
  maxAddr?: string;
  minPort?: number;
  maxPort?: number;
}

export type NatInRange = Partial<Record<EndName, EndRange>>;

const END_NAMES: readonly EndName[] = ['src', 'dst'];

/** An address as hexadecimal digits in the order of a frame. @throws UsageError for a wrong address */
function addressHex(text: string): string {
  const ipv4 = parseIpv4(text);
  const words = ipv4 === undefined ? parseIpv6(text) : Int32Array.of(ipv4);
  if (words === undefined) {
    throw new UsageError(`not an address: ${text}`);
  }
  return Array.from(words, (word) => (swapWord(word) >>> 0).toString(16).padStart(8, '0')).join('');
}

/**
 * Checks that `after` is the frame `before` with an end translated into the range, and no other change.
 * @returns undefined, or the fault
 */
export function outOfRange(before: Buffer, after: Buffer, ranges: NatInRange): string | undefined {
  let restored = after;
  for (const name of END_NAMES) {
    const range = ranges[name];
    if (range === undefined) {
      continue;
    }
    const was = endOf(before, name);
    const is = endOf(after, name);
    if (was === undefined || is === undefined) {
      return 'no IP packet';
    }
    const min = addressHex(range.minAddr);
    const max = addressHex(range.maxAddr ?? range.minAddr);
    /* Fixed-width hexadecimal digits sort as numbers. */
    if (is.address.length !== min.length || is.address < min || is.address > max) {
      return `${name} address ${is.address}`;
    }
    if (range.minPort === undefined) {
      if (is.port !== was.port) {
        return `${name} port ${is.port}`;
      }
    } else if (is.port < range.minPort || is.port > (range.maxPort ?? range.minPort)) {
      return `${name} port ${is.port}`;
    }
    restored = withEnd(restored, name, was);
  }
  return restored.equals(before) ? undefined : `${after.toString('hex')} differs elsewhere too`;
}

/** The two ends of a frame as one text. */
export function endsText(frame: Buffer): string {
  return END_NAMES.map((name) => endText(endOf(frame, name))).join(' > ');
}

export function endText(end: End | undefined): string {
  return end === undefined ? 'none' : `${end.address}/${end.port}`;
}

/** An expected tuple, with every `*` replaced by the tracker's value. */
export function withoutWildcards(expected: Tuple, got: Tuple | undefined): Tuple {
  return Object.fromEntries(
    Object.entries(expected).map(([name, value]) => [
      name,
      value === '*' ? (got?.[name as keyof Tuple] ?? value) : value,
    ]),
  ) as unknown as Tuple;
}
