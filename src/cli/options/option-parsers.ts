/** Parsers of option values, for commander. */

import { InvalidArgumentError } from 'commander';

/** Parses a whole number within a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** Parses a number of percent, from 0 to 1000. */
export function percent(text: string): number {
  const value = Number(text);
  if (!/^\d+(?:\.\d+)?$/.test(text) || value > 1000) {
    throw new InvalidArgumentError('It must be a number of percent from 0 to 1000.');
  }
  return value;
}

const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 };

/** Parses a time with its unit (30s, 5m, 1.5h). @returns ms */
export function duration(most: string): (text: string) => number {
  const msOf = (text: string): number => {
    const [, value, unit] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
    return value === undefined ? Number.NaN : Number(value) * UNIT_MS[unit!]!;
  };
  return (text) => {
    const ms = msOf(text);
    if (!(ms > 0 && ms <= msOf(most))) {
      throw new InvalidArgumentError(`It must be a time with its unit, above 0 and up to ${most}: 30s, 5m.`);
    }
    return ms;
  };
}

export function powerOfTwo(max: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(1, max)(text);
    if ((value & (value - 1)) !== 0) {
      throw new InvalidArgumentError('It must be a power of two.');
    }
    return value;
  };
}

/** Parses whole numbers separated by commas. Duplicates are dropped. */
export function wholeNumbers(min: number, max: number): (text: string) => number[] {
  return (text) => [...new Set(text.split(',').map(wholeNumber(min, max)))];
}

export function powersOfTwo(max: number): (text: string) => number[] {
  return (text) => [...new Set(text.split(',').map(powerOfTwo(max)))];
}

/** Parses names separated by commas. Duplicates are dropped. */
export function oneOfEach<Name extends string>(names: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const given = text.split(',');
    const unknown = given.find((name) => !names.includes(name as Name));
    if (unknown !== undefined) {
      throw new InvalidArgumentError(`${JSON.stringify(unknown)} is not one of ${names.join(', ')}.`);
    }
    return [...new Set(given as Name[])];
  };
}
