/** Parsers of option values, for commander. */

import { InvalidArgumentError } from 'commander';

/** Of whole numbers within a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
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

/** Of comma-separated whole numbers, each once. */
export function wholeNumbers(min: number, max: number): (text: string) => number[] {
  return (text) => [...new Set(text.split(',').map(wholeNumber(min, max)))];
}

export function powersOfTwo(max: number): (text: string) => number[] {
  return (text) => [...new Set(text.split(',').map(powerOfTwo(max)))];
}

/** Of a comma-separated list of some of these, each once. */
export function oneOfEach<Name extends string>(names: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const given = text.split(',');
    const unknown = given.find((name) => !names.includes(name as Name));
    if (unknown !== undefined) {
      throw new InvalidArgumentError(`${JSON.stringify(unknown)} is none of ${names.join(', ')}.`);
    }
    return [...new Set(given as Name[])];
  };
}
