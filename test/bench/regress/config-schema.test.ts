/** The configuration of `regress`: its JSON Schema is current, and each fault gets an error with its place. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import { describe, expect, it } from 'vitest';
import { CONFIG_SCHEMA } from '../../../bench/regress/config-schema.ts';
import { checkConfig } from '../../../bench/regress/config.ts';
import { UsageError } from '../../../src/core/errors.ts';
import { REPOSITORY } from '../../support/child.ts';

const FILE = join(REPOSITORY, 'ct-bucket.regress.schema.json');
const CASE = { name: 'one', workload: 'insert', threads: 1, connections: 1000, gates: { time: 2 } };

function schemaText(): string {
  /* 'output': the schema of an object is the output of a check that the value is not a list. */
  const schema = toJsonSchema(CONFIG_SCHEMA, { typeMode: 'output', target: 'draft-2020-12' });
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

describe('ct-bucket.regress.schema.json', () => {
  it('is current (`npm run schema` writes it)', async () => {
    await expect(schemaText()).toMatchFileSnapshot(FILE);
  });

  it('describes every member', () => {
    const { properties } = JSON.parse(readFileSync(FILE, 'utf8')) as {
      properties: Record<string, { description?: string; items?: { properties: object } }>;
    };
    const all = [...Object.entries(properties), ...Object.entries(properties['cases']!.items!.properties)];
    expect(all.filter(([, { description }]) => description?.endsWith('.') !== true).map(([name]) => name)).toEqual([]);
  });

  it.each(['ct-bucket.regress.json', 'examples/ct-bucket.regress.full.json'])('is named in %s', (name) => {
    const config = JSON.parse(readFileSync(join(REPOSITORY, name), 'utf8')) as { $schema: string };
    expect(join(REPOSITORY, name, '..', config.$schema)).toBe(FILE);
    expect(() => checkConfig(config)).not.toThrow();
  });
});

describe('a configuration of regress', () => {
  it('has defaults', () => {
    const { budgetSeconds, aimPercent, maxPairs, cases } = checkConfig({ cases: [CASE] });
    expect({ budgetSeconds, aimPercent, maxPairs }).toEqual({ budgetSeconds: 110, aimPercent: 5, maxPairs: 40 });
    const defaults = { batchSize: 32, buckets: 1024, repetitions: 30, rehearsals: 2, rehearsalConnections: 50_000 };
    expect(cases).toEqual([{ ...CASE, ...defaults }]);
  });

  it.each<[string, unknown, string]>([
    ['a list for the whole', [], 'the whole must be an object, not []'],
    ['no member', {}, 'cases is missing: it must be a list'],
    ['no case', { cases: [] }, 'cases must be a list with at least one case, not []'],
    ['a list for a case', { cases: [[]] }, 'cases[0] must be an object, not []'],
    [
      'a text for a number',
      { cases: [{ ...CASE, threads: '1' }] },
      'cases[0].threads must be a whole number from 1 to 64, not "1"',
    ],
    ['a fraction', { cases: [CASE], maxPairs: 6.5 }, 'maxPairs must be a whole number from 6 to 1000, not 6.5'],
    [
      'a number above the limit',
      { cases: [CASE], aimPercent: 1e9 },
      'aimPercent must be a number of percent from 0.1 to 1000, not 1000000000',
    ],
    [
      'three buckets',
      { cases: [{ ...CASE, buckets: 3 }] },
      'cases[0].buckets must be a power of two from 1 to 65536, not 3',
    ],
    [
      'no gate',
      { cases: [{ ...CASE, gates: {} }] },
      'cases[0].gates must be an object with at least one gate: time, memory, contention or scaling, not {}',
    ],
    ['a misspelt name', { cases: [{ ...CASE, bucket: 3 }] }, 'cases[0].bucket is unknown; did you mean buckets?'],
    ['a name with a dot', { cases: [CASE], 'a.b': 1 }, '["a.b"] is unknown'],
    ['two faults', { seconds: 1 }, 'cases is missing: it must be a list; seconds is unknown'],
    [
      'a name in two lines',
      { cases: [{ ...CASE, name: 'a\nb' }] },
      String.raw`cases[0].name must be a name in one line, without blanks at its ends, not "a\nb"`,
    ],
    ['the same case twice', { cases: [CASE, CASE] }, 'cases[1].name must be another: an earlier case is named one'],
    [
      'no reference',
      { cases: [{ ...CASE, threads: 2, gates: { scaling: 1 } }] },
      'cases[0].gates.scaling needs a case with 1 thread and the same workload, connections, batchSize and buckets: add one',
    ],
  ])('with %s is refused with a one-line error', (_what, value, message) => {
    expect(() => checkConfig(value, 'my.json')).toThrow(new UsageError(`my.json: ${message}`));
  });
});
