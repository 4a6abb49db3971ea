/** Arguments of the commands about zone limits, as Open vSwitch's dpctl writes them. */

import { UsageError } from '../../core/errors.ts';
import { zoneNumber } from './command.ts';

/** Limits are unsigned numbers of 32 bits. */
const MAX_LIMIT = 0xffffffff;

/** A number in C's notation: 10, 0xa, 012. NaN for anything else. */
function numberAsInC(text: string): number {
  if (/^0[0-7]+$/.test(text)) {
    return Number.parseInt(text, 8);
  }
  return /^(0|[1-9]\d*|0[xX][0-9a-fA-F]+)$/.test(text) ? Number(text) : Number.NaN;
}

function checkedLimit(value: number, text: string, what: string): number {
  if (!(value <= MAX_LIMIT)) {
    throw new UsageError(`invalid ${what} '${text}'; it must be a whole number from 0 to ${MAX_LIMIT}`);
  }
  return value;
}

/** LIMIT (decimal) of `default=LIMIT`; undefined for another argument. @throws UsageError */
export function defaultLimitOf(arg: string): number | undefined {
  if (!arg.startsWith('default=')) {
    return undefined;
  }
  const text = arg.slice('default='.length);
  return checkedLimit(/^\d+$/.test(text) ? Number(text) : Number.NaN, text, 'default limit');
}

/** `zone=ZONE,limit=LIMIT` in either order, with numbers in C's notation. @throws UsageError */
export function zoneLimitOf(arg: string): { zone: number; limit: number } {
  let zone: number | undefined;
  let limit: number | undefined;
  for (const part of arg.split(/,|\s+/)) {
    const [, key = part, value = ''] = /^([^=]*)=(.*)$/s.exec(part) ?? [];
    if (key !== 'zone' && key !== 'limit') {
      throw new UsageError(`invalid zone limit field '${key}'; it must be zone=ZONE,limit=LIMIT`);
    }
    if (value === '') {
      throw new UsageError(`field ${key} missing value; it must be zone=ZONE,limit=LIMIT`);
    }
    if (key === 'zone') {
      const number = numberAsInC(value);
      zone = zoneNumber(Number.isNaN(number) ? value : String(number), value);
    } else {
      limit = checkedLimit(numberAsInC(value), value, 'limit');
    }
  }
  if (zone === undefined || limit === undefined) {
    throw new UsageError(`failed to parse zone limit '${arg}'; it must be zone=ZONE,limit=LIMIT`);
  }
  return { zone, limit };
}

/**
 * Zones of `zone=ZONE[,ZONE]...`. An empty zone is refused: most likely a variable of a script is not set. Open vSwitch ignores it.
 * @throws UsageError
 */
export function zonesOf(arg: string): number[] {
  if (!arg.startsWith('zone=')) {
    throw new UsageError(`invalid argument '${arg}'; it must be zone=ZONE[,ZONE]...`);
  }
  const texts = arg.slice('zone='.length).split(',');
  if (texts.includes('')) {
    const where = texts.length === 1 ? 'zone= has no value' : `a zone is missing in '${arg}'`;
    throw new UsageError(`${where}; it must be zone=ZONE[,ZONE]...`);
  }
  return texts.map((text) => zoneNumber(text));
}
