/** Runs of words in two arrays. These are loops because `set` and `subarray` need a view, and a view is an allocation. */

export function copyWords(from: Int32Array, at: number, to: Int32Array, toAt: number, count: number): void {
  for (let i = 0; i < count; i++) {
    to[toAt + i] = from[at + i]!;
  }
}

export function areSameWords(a: Int32Array, atA: number, b: Int32Array, atB: number, count: number): boolean {
  for (let i = 0; i < count; i++) {
    if (a[atA + i] !== b[atB + i]) {
      return false;
    }
  }
  return true;
}
