/**
 * Names of options. An unknown name is refused, and the error suggests the most similar known one. Without this check a misspelt
 * filter would let a flush remove every connection, and a misspelt setting would silently do nothing.
 */

import { expectObject, shown, UsageError } from '../errors.ts';

/** All names of an options interface. The compiler refuses a list that lacks one. */
export type OptionNames<Options extends object> = Readonly<Record<keyof Options, true>>;

/** A name is similar to a known one if the edits between them are at most this share of its length. */
const MOST_DIFFERENT = 0.5;
/** An equal first character counts as this many edits less. It decides between equally similar names. */
const SAME_BEGINNING = 0.5;
/** A name that is contained in a known one, and has at least this many characters, counts as similar. */
const FEWEST_IN_COMMON = 3;
/** Longer names are not compared. */
const MOST_COMPARED = 64;

/**
 * Refuses a value that is not an object, and an object with an unknown member.
 * @param what the options, with their article: "a filter"
 * @param unknown makes the error for an unknown name
 * @returns a plain copy of the options. Each option is read once, so later changes by a getter or by the caller have no
 *   effect
 * @throws UsageError
 */
export function expectOptions<Options extends object>(
  what: string,
  given: unknown,
  names: OptionNames<Options>,
  unknown: (name: string) => UsageError = (name) => unknownOption(what, name, Object.keys(names)),
): Options {
  expectObject(what, given);
  for (const name of namesIn(given as object)) {
    if (typeof name === 'symbol' || !Object.hasOwn(names, name)) {
      throw unknown(String(name));
    }
  }
  const known = Object.keys(names).filter((name) => name in (given as object));
  return Object.fromEntries(known.map((name) => [name, read(what, given as Record<string, unknown>, name)])) as Options;
}

/**
 * All names that a caller may have meant as an option. Includes inherited members, which a read of an option finds, and
 * members that for-in skips (getters of a class, symbols). Excludes methods.
 */
function namesIn(given: object): (string | symbol)[] {
  const names: (string | symbol)[] = Reflect.ownKeys(given);
  for (let each = Object.getPrototypeOf(given) as object | null; each !== null; ) {
    const next = Object.getPrototypeOf(each) as object | null;
    if (next !== null || !Object.hasOwn(each, 'hasOwnProperty')) {
      for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(each))) {
        if (typeof member.value !== 'function') {
          names.push(name);
        }
      }
    }
    each = next;
  }
  return names;
}

/** @throws UsageError when its getter throws */
function read(what: string, given: Record<string, unknown>, name: string): unknown {
  try {
    return given[name];
  } catch (error) {
    const reason = error instanceof Error ? error.message : shown(error);
    throw new UsageError(`${shownName(name)} in ${what} cannot be read: ${reason}`, { cause: error });
  }
}

/**
 * As expectOptions, for conditions of a selection. A condition with the value undefined is refused: a variable that was
 * never set would select everything.
 * @throws UsageError
 */
export function expectConditions<Options extends object>(
  what: string,
  given: unknown,
  names: OptionNames<Options>,
): Options {
  const options = expectOptions(what, given, names);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) {
      throw new UsageError(`${shownName(name)} in ${what} is undefined: give it a value, or leave the name out`);
    }
  }
  return options;
}

/** Copies the options with these names from an object that has others too. */
export function pickOptions<Options extends object>(given: object, names: OptionNames<Options>): Partial<Options> {
  return Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(names, name))) as Partial<Options>;
}

/** The error for an unknown name. */
export function unknownOption(what: string, name: string, known: readonly string[]): UsageError {
  const near = nearestName(name, known);
  const hint = near === undefined ? `known options are ${known.join(', ')}` : `did you mean '${near}'?`;
  return new UsageError(`unknown option ${shownName(name)} in ${what}: ${hint}`);
}

function shownName(name: string): string {
  return `'${shown(name).slice(1, -1)}'`;
}

/** The known name that is most similar to the given one; undefined if none is similar. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > MOST_COMPARED) {
    return undefined;
  }
  return nearestOf(name.toLowerCase(), known);
}

/**
 * Is it contained in the known name? The reverse does not count, because it may match several names: srcPort contains
 * src, but means another option.
 */
function isPartOf(name: string, known: string): boolean {
  return name.length >= FEWEST_IN_COMMON && known.includes(name);
}

function nearestOf(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  const most = Math.floor(name.length * MOST_DIFFERENT);
  let fewest = most + 1;
  for (const original of known) {
    const each = original.toLowerCase();
    const edits = isPartOf(name, each) ? 1 : editsBetween(name, each);
    /* Misspelt names usually begin right: dst_port means dport, not sport. */
    const distance = edits - (name[0] === each[0] ? SAME_BEGINNING : 0);
    if (distance < fewest && edits <= most) {
      nearest = original;
      fewest = distance;
    }
  }
  return nearest;
}

/** Edits between two texts: a character inserted, deleted, replaced, or exchanged with its neighbour. */
function editsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let edits = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, beforeLast[j - 2]! + 1);
      }
      row.push(edits);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
