/** "Did you mean": finds the known name nearest to a misspelt one. */

/** The most edits for a name of this length to be near: one letter in three, at most three. */
function mostEdits(length: number): number {
  return Math.min(3, Math.max(1, Math.floor(length / 3)));
}

/**
 * Edits that turn one name into the other: a letter inserted, removed, replaced, or swapped with its neighbour
 * (Damerau-Levenshtein distance, each pair swapped at most once).
 */
function editsBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = rows[row - 1]![column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let edits = Math.min(replaced, rows[row - 1]![column]! + 1, line[column - 1]! + 1);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        edits = Math.min(edits, rows[row - 2]![column - 2]! + 1);
      }
      line.push(edits);
    }
    rows.push(line);
  }
  return rows[a.length]![b.length]!;
}

/** Longer names are not compared. */
const MAX_LENGTH = 64;

/** @returns the nearest known name, the first if several are equally near; undefined if none is near */
export function nearestName(given: string, known: Iterable<string>): string | undefined {
  if (given.length === 0 || given.length > MAX_LENGTH) {
    return undefined;
  }
  const wanted = given.toLowerCase();
  let nearest: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const name of known) {
    const edits = editsBetween(wanted, name.toLowerCase());
    if (edits < fewest && edits <= mostEdits(Math.max(wanted.length, name.length))) {
      nearest = name;
      fewest = edits;
    }
  }
  return nearest;
}

/** The end of a message about an unknown name: "; did you mean zone?", or empty if no known name is near. */
export function didYouMean(given: string, known: Iterable<string>): string {
  const nearest = nearestName(given, known);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
