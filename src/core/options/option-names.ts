/**
 * Names of options. A name that nobody reads is refused, with the known one that is most like it: a misspelt filter would let a
 * flush remove every connection, and a misspelt setting would do nothing without a word.
 */

import { expectObject, shown, UsageError } from '../errors.ts';

/** All names of an interface of options. The compiler refuses a list that misses one. */
export type OptionNames<Options extends object> = Readonly<Record<keyof Options, true>>;

/** A name is like a known one if it differs from it in this share of its own characters at most. */
const MOST_DIFFERENT = 0.5;
/** What the same first character is worth, in edits: it decides between names that are as near. */
const SAME_BEGINNING = 0.5;
/** A part of so many characters, or more, makes two names alike. */
const FEWEST_IN_COMMON = 3;
/** Longer names are not compared. */
const MOST_COMPARED = 64;

/**
 * Refuses a value that is no object, and one with a member that the caller does not read.
 * @param what the options, with their article: "a filter"
 * @param unknown the error for an unknown name
 * @returns a plain copy of the options. Each was read once: what a getter says later, or a change by the caller, does not count
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
 * All that somebody may have meant for an option: also what is inherited (reading an option finds it), and what a loop over the
 * names leaves out (getters of a class, symbols). Methods of a class are no options.
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
 * As expectOptions, of conditions that narrow a choice down: one that is there without a value is refused. A variable that was
 * never set would choose everything.
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

/** The options with these names, of an object that has others beside them. */
export function pickOptions<Options extends object>(given: object, names: OptionNames<Options>): Partial<Options> {
  return Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(names, name))) as Partial<Options>;
}

/** The error for a name that is none of the known ones. */
export function unknownOption(what: string, name: string, known: readonly string[]): UsageError {
  const near = nearestName(name, known);
  const hint = near === undefined ? `it has ${known.join(', ')}` : `did you mean '${near}'?`;
  return new UsageError(`unknown option ${shownName(name)} in ${what}: ${hint}`);
}

function shownName(name: string): string {
  return `'${shown(name).slice(1, -1)}'`;
}

/** The known name that is most like the given one; undefined: none is. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > MOST_COMPARED) {
    return undefined;
  }
  return nearestOf(name.toLowerCase(), known);
}

/** Is it a part of the known name? The other way round it may be more than one name: srcPort is not src. */
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
    /* Who misspells a name seldom begins it wrong: dst_port is dport, and not sport. */
    const distance = edits - (name[0] === each[0] ? SAME_BEGINNING : 0);
    if (distance < fewest && edits <= most) {
      nearest = original;
      fewest = distance;
    }
  }
  return nearest;
}

/** Characters to insert, delete, replace, or exchange with their neighbour to make one text of the other. */
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
