/**
 * The hash of a key: HalfSipHash-1-3 (Aumasson and Bernstein, SipHash: a fast short-input PRF; the Linux kernel uses
 * this variant for its hash tables) over the key's words. The endpoints are put into one order first, so both
 * directions have the same hash.
 *
 * The hash is keyed: without the key nobody can choose addresses and ports that meet in one bucket. It is not linear,
 * so grids of ports spread as well as random tuples. All 32 bits are good: the high ones choose the bucket, the low
 * ones the line.
 *
 * The address family fixes the number of words, and META contains it. So the length block of the original is left out.
 *
 * The rounds are written out, and hashIpv4 stays one function: a function for a round would have to return four values,
 * and a loop over the words would have to choose among them.
 */

import { META_REPLY } from './key.ts';
import { swapPorts } from './layout.ts';

const V2 = 0x6c796765;
const V3 = 0x74656462;

/** The hash of an IPv4 key. k0 and k1 are the table's secret. */
export function hashIpv4(src: number, dst: number, ports: number, meta: number, k0: number, k1: number): number {
  /* All ones if dst < src as unsigned numbers: the borrow of the subtraction. A branch would be mispredicted. */
  let swap = ((~dst & src) | (~(dst ^ src) & (dst - src))) >> 31;
  if (src === dst && (ports & 0xffff) > ports >>> 16) {
    swap = -1;
  }
  const difference = (src ^ dst) & swap;
  const m0 = src ^ difference;
  const m1 = dst ^ difference;
  const m2 = ports ^ ((ports ^ swapPorts(ports)) & swap);
  const m3 = meta & ~META_REPLY;

  let v0 = k0;
  let v1 = k1;
  let v2 = V2 ^ k0;
  let v3 = V3 ^ k1;

  v3 ^= m0;
  v0 = (v0 + v1) | 0;
  v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
  v0 = (v0 << 16) | (v0 >>> 16);
  v2 = (v2 + v3) | 0;
  v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
  v0 = (v0 + v3) | 0;
  v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
  v2 = (v2 + v1) | 0;
  v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
  v2 = (v2 << 16) | (v2 >>> 16);
  v0 ^= m0;

  v3 ^= m1;
  v0 = (v0 + v1) | 0;
  v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
  v0 = (v0 << 16) | (v0 >>> 16);
  v2 = (v2 + v3) | 0;
  v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
  v0 = (v0 + v3) | 0;
  v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
  v2 = (v2 + v1) | 0;
  v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
  v2 = (v2 << 16) | (v2 >>> 16);
  v0 ^= m1;

  v3 ^= m2;
  v0 = (v0 + v1) | 0;
  v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
  v0 = (v0 << 16) | (v0 >>> 16);
  v2 = (v2 + v3) | 0;
  v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
  v0 = (v0 + v3) | 0;
  v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
  v2 = (v2 + v1) | 0;
  v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
  v2 = (v2 << 16) | (v2 >>> 16);
  v0 ^= m2;

  v3 ^= m3;
  v0 = (v0 + v1) | 0;
  v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
  v0 = (v0 << 16) | (v0 >>> 16);
  v2 = (v2 + v3) | 0;
  v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
  v0 = (v0 + v3) | 0;
  v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
  v2 = (v2 + v1) | 0;
  v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
  v2 = (v2 << 16) | (v2 >>> 16);
  v0 ^= m3;

  return finish(v0, v1, v2, v3);
}

/** The three rounds of finalisation. */
function finish(v0: number, v1: number, v2: number, v3: number): number {
  v2 ^= 0xff;
  for (let round = 0; round < 3; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  return v1 ^ v3;
}

/**
 * The hash of an IPv6 key. `words` holds its addresses, four words each: the source at `src`, the destination at `dst`.
 */
export function hashIpv6(
  words: Int32Array,
  src: number,
  dst: number,
  ports: number,
  meta: number,
  k0: number,
  k1: number,
): number {
  let order = 0;
  for (let i = 0; i < 4 && order === 0; i++) {
    order = (words[src + i]! >>> 0) - (words[dst + i]! >>> 0);
  }
  if (order === 0) {
    order = (ports & 0xffff) - (ports >>> 16);
  }
  const low = order > 0 ? dst : src;
  const high = order > 0 ? src : dst;
  const orderedPorts = order > 0 ? swapPorts(ports) : ports;

  let v0 = k0;
  let v1 = k1;
  let v2 = V2 ^ k0;
  let v3 = V3 ^ k1;
  for (let i = 0; i < 10; i++) {
    let m: number;
    if (i < 4) {
      m = words[low + i]!;
    } else if (i < 8) {
      m = words[high + i - 4]!;
    } else {
      m = i === 8 ? orderedPorts : meta & ~META_REPLY;
    }
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  return finish(v0, v1, v2, v3);
}
