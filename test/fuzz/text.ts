/** Broken text and JSON, made from valid ones. */

import type { Random } from './random.ts';

/** Values on which readers of options and files may fail. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  '',
  ' ',
  '0',
  'x',
  '__proto__',
  'constructor',
  'toString',
  '\u0000',
  '\n',
  '\u2028',
  '💥',
  '../../etc/passwd',
  'x'.repeat(5000),
  0,
  -0,
  1,
  -1,
  0.5,
  1e-9,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  1e21,
  1e308,
  [],
  [[]],
  [null],
  {},
  { length: 1e9 },
  { constructor: null },
];

/** Values that programs may pass, but JSON cannot have. */
const ODD_IN_PROGRAMS: readonly unknown[] = [
  undefined,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  10n,
];

export function oddValue(random: Random, options: { isProgram?: boolean } = {}): unknown {
  if (random.oneIn(4)) {
    return random.edge(random.pick([8, 16, 32, 53]));
  }
  return options.isProgram === true && random.oneIn(5)
    ? random.pick(ODD_IN_PROGRAMS)
    : structuredClone(random.pick(ODD_VALUES));
}

/** All objects and arrays in a JSON value, including the value itself. */
function containers(value: unknown, found: (unknown[] | Record<string, unknown>)[] = []): typeof found {
  if (typeof value === 'object' && value !== null && found.length < 2000) {
    found.push(value as Record<string, unknown>);
    Object.values(value).forEach((member) => containers(member, found));
  }
  return found;
}

/** Sets a member of any name as an own property, as JSON.parse does. Does nothing if a list cannot have the name. */
function put(container: object, name: string, value: unknown): void {
  if (Array.isArray(container) && !/^\d{1,6}$/.test(name)) {
    return;
  }
  Object.defineProperty(container, name, { value, writable: true, enumerable: true, configurable: true });
}

/** A copy of a JSON value with some members changed, removed, copied or moved. */
export function mutatedJson(random: Random, original: unknown, options: { isProgram?: boolean } = {}): unknown {
  if (random.oneIn(40) || typeof original !== 'object') {
    return oddValue(random, options);
  }
  const value = structuredClone(original);
  for (let changes = random.between(1, 3); changes > 0; changes--) {
    const all = containers(value);
    const container = random.pick(all);
    const names = Object.keys(container);
    const name = names.length === 0 ? 'x' : random.pick(names);
    const member = (container as Record<string, unknown>)[name];
    switch (random.below(7)) {
      case 0:
        if (Array.isArray(container)) {
          container.splice(Number(name) || 0, 1);
        } else {
          delete container[name];
        }
        break;
      case 1:
        put(container, name, structuredClone(random.pick(all)));
        break;
      case 2:
        put(container, random.pick(['__proto__', 'constructor', 'length', `${name}2`, '']), structuredClone(member));
        break;
      case 3:
        if (typeof member === 'number') {
          put(container, name, random.pick([-member, member + 1, member / 3, member * 1e6, String(member)]));
        } else if (typeof member === 'string') {
          put(container, name, mutatedText(random, member));
        }
        break;
      default:
        put(container, name, oddValue(random, options));
    }
  }
  return value;
}

const FRAGMENTS = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\\',
  '\n',
  '\r',
  '\u0000',
  '\ufeff',
  '0',
  '9',
  '-',
  '=',
  '/',
  ' ',
];

/** A text with some characters changed, removed, doubled or moved. */
export function mutatedText(random: Random, original: string): string {
  let text = original;
  for (let changes = random.between(1, 3); changes > 0; changes--) {
    const at = random.below(text.length + 1);
    const to = Math.min(text.length, at + random.between(1, random.oneIn(4) ? 60 : 3));
    switch (random.below(6)) {
      case 0:
        text = text.slice(0, at) + text.slice(to);
        break;
      case 1:
        text = text.slice(0, at) + random.pick(FRAGMENTS) + text.slice(at);
        break;
      case 2:
        text = text.slice(0, at) + text.slice(at, to).repeat(random.between(2, 4)) + text.slice(to);
        break;
      case 3:
        text =
          text.slice(0, at) +
          String.fromCharCode(random.oneIn(3) ? random.below(0x10000) : random.below(128)) +
          text.slice(to);
        break;
      case 4:
        text = text.slice(0, at) + String(random.edge(random.pick([8, 16, 32, 53]))) + text.slice(to);
        break;
      default:
        text = random.oneIn(8) ? text.slice(0, at) : text;
    }
  }
  return text;
}

/** The bytes of a file with some changed, removed or doubled, and with odd numbers of 16 and 32 bits. */
export function mutatedBytes(random: Random, original: Uint8Array): Uint8Array {
  let bytes = original.slice();
  for (let changes = random.between(1, 4); changes > 0; changes--) {
    const at = random.below(bytes.length + 1);
    switch (random.below(7)) {
      case 0:
        bytes[at] = random.byte();
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3: {
        const gone = random.between(1, 40);
        bytes.copyWithin(at, at + gone);
        bytes = bytes.slice(0, Math.max(at, bytes.length - gone));
        break;
      }
      case 4: {
        /* Most fields have offsets that are multiples of four. */
        const field = at & ~3;
        if (field + 4 <= bytes.length) {
          new DataView(bytes.buffer).setUint32(field, random.edge(32), random.oneIn(2));
        }
        break;
      }
      case 5: {
        const more = random.bytes(random.below(20));
        const longer = new Uint8Array(bytes.length + more.length);
        longer.set(bytes.subarray(0, at));
        longer.set(more, at);
        longer.set(bytes.subarray(at), at + more.length);
        bytes = longer;
        break;
      }
      default:
        bytes.copyWithin(random.below(bytes.length + 1), at, at + random.below(200));
    }
  }
  return bytes;
}
