/** The median of many values without sorting all of them. */

/**
 * Rearranges the values so that the value of this rank is at its place, with no greater value before it and no smaller value
 * after it (Hoare, "Algorithm 65: find", 1961).
 */
export function placeRank(values: Float64Array, rank: number, count: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1]!;
    let left = low;
    let right = high;
    while (left <= right) {
      while (values[left]! < pivot) {
        left++;
      }
      while (values[right]! > pivot) {
        right--;
      }
      if (left <= right) {
        const value = values[left]!;
        values[left] = values[right]!;
        values[right] = value;
        left++;
        right--;
      }
    }
    if (rank <= right) {
      high = right;
    } else if (rank >= left) {
      low = left;
    } else {
      break;
    }
  }
  return values[rank]!;
}

/** The median of the first `count` values. Rearranges them. */
export function medianInPlace(values: Float64Array, count: number): number {
  const upper = count >> 1;
  const above = placeRank(values, upper, count);
  if (count % 2 === 1) {
    return above;
  }
  let below = values[0]!;
  for (let i = 1; i < upper; i++) {
    below = Math.max(below, values[i]!);
  }
  return (below + above) / 2;
}
