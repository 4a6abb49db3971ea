/**
 * The clock of the loop, ms. V8 inlines `process.hrtime`, so the pair that it returns is never made. `performance.now` makes a number at
 * each call, and the garbage collections that follow would pause the thread for longer than the packets that it measures.
 */
export function clockMs(): number {
  const time = process.hrtime();
  return time[0] * 1000 + time[1] / 1e6;
}
