/**
 * A histogram of durations. The bins grow with the value, 32 for every doubling (log-linear, like HdrHistogram), so a quantile
 * is right to 3 %. Recording allocates nothing. The bins may lie in shared memory.
 */

const BIN_BITS = 5;
const BINS_PER_OCTAVE = 1 << BIN_BITS;
/** Number of bins, for durations up to 2^32 ns. */
export const LATENCY_BINS: number = (32 - BIN_BITS + 1) * BINS_PER_OCTAVE;

function binOf(ns: number): number {
  const whole = Math.min(Math.max(ns, 0), 0xffffffff) >>> 0;
  if (whole < BINS_PER_OCTAVE) {
    return whole;
  }
  const octave = 31 - Math.clz32(whole) - BIN_BITS;
  return ((octave + 1) << BIN_BITS) + ((whole >>> octave) & (BINS_PER_OCTAVE - 1));
}

/** Lower bound of a bin, ns. */
function floorOf(bin: number): number {
  const octave = (bin >>> BIN_BITS) - 1;
  return octave < 0 ? bin : (BINS_PER_OCTAVE + (bin & (BINS_PER_OCTAVE - 1))) * 2 ** octave;
}

export function recordLatency(bins: Float64Array, ns: number): void {
  bins[binOf(ns)]!++;
}

/** The quantile at `share` in ns, as the middle of its bin. NaN without values. */
export function latencyQuantile(bins: Float64Array, share: number): number {
  const total = bins.reduce((sum, count) => sum + count, 0);
  if (total === 0) {
    return Number.NaN;
  }
  const wanted = Math.max(1, Math.ceil(total * share));
  let seen = 0;
  for (let bin = 0; bin < bins.length; bin++) {
    seen += bins[bin]!;
    if (seen >= wanted) {
      return (floorOf(bin) + floorOf(bin + 1)) / 2;
    }
  }
  return floorOf(bins.length - 1);
}

/** The bins that are not empty: the middle of the bin in ns, and its count. */
export function latencyBins(bins: Float64Array): [ns: number, count: number][] {
  const filled: [number, number][] = [];
  for (const [bin, count] of bins.entries()) {
    if (count > 0) {
      filled.push([(floorOf(bin) + floorOf(bin + 1)) / 2, count]);
    }
  }
  return filled;
}
