import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type EngineName, ENGINES } from '../../src/core/engines/engine.ts';
import { runScenario } from '../../src/cli/verify/scenario.ts';
import { CHECKED } from '../../src/shared/access.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'vectors');
const SHARED = join(import.meta.dirname, '..', '..', '..', 'shared', 'vectors');

/** Scenarios in which expectations remain because no packet has removed their expired control connection. */
const EXPECTS_OF_UNSWEPT = ['dump-everything.jsonl', 'ftp-more-corners.jsonl'];

/**
 * In these scenarios a packet remembers a connection that `force` has killed. The packet belongs to the connection while that
 * is in the table. After another packet has removed it, the packet opens a new connection (docs/differences.md).
 */
const REMEMBERS_KILLED = ['same-key-sctp.jsonl'];

/** Only ct-bucket has a packet module, so JavaScript makes a difference for no other engine. */
const TRIED: readonly EngineName[] = process.env['CT_PACKET_PATH'] === 'javascript' ? ['ct-bucket'] : ENGINES;

/** All recorded scenarios except the quirks, which the tracker does not imitate. */
function sharedFiles(): string[] {
  if (!existsSync(join(SHARED, 'INDEX.tsv'))) {
    return [];
  }
  const rows = readFileSync(join(SHARED, 'INDEX.tsv'), 'utf8').trim().split('\n').slice(1);
  return rows.map((row) => `${row.split('\t')[0]}.jsonl`).filter((file) => !file.startsWith('quirks/'));
}

/* Without ../shared only the fixtures run. They are enough for the checked process. */
const COLLECTIONS: [name: string, folder: string, files: string[]][] = [
  ['the fixtures', FIXTURES, readdirSync(FIXTURES)],
  ['the whole collection', SHARED, CHECKED ? [] : sharedFiles()],
];

describe.each(COLLECTIONS.filter(([, , files]) => files.length > 0))(
  'recorded scenarios: %s',
  (_name, folder, files) => {
    describe.each(TRIED)('engine %s', (engine) => {
      it.each(files)('%s gives the recorded answers', (file) => {
        const result = runScenario(readFileSync(join(folder, file), 'utf8'), { reclaim: 'sweep', engine });
        expect(result.difference).toBeUndefined();
        expect(result.operations).toBeGreaterThan(0);
      });
    });

    it.each(files.filter((file) => ![...EXPECTS_OF_UNSWEPT, ...REMEMBERS_KILLED].includes(file)))(
      '%s gives the recorded packets and dumps if lookups remove expired entries',
      (file) => {
        /* Results that depend on the moment of removal are left out: counts, limits, and how many entries a sweep removes. */
        const lines = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
        const kept = lines
          .filter((line) => !/"op":"(connCount|zoneLimit)"/.test(line))
          .map((line) => (/"op":"(sweep|flush)"/.test(line) ? line.replace(/"removed":\d+/, '"removed":"any"') : line));
        const isAboutQuota = lines.some((line) => /"op":"zoneLimit"|"what":"maxConns"/.test(line));
        if (!isAboutQuota) {
          expect(runScenario(kept.join('\n'), { reclaim: 'lookup-and-sweep' }).difference).toBeUndefined();
        }
      },
    );
  },
);

describe('a scenario file', () => {
  const [header, ...operations] = readFileSync(join(FIXTURES, 'udp-basic-v4.jsonl'), 'utf8').trimEnd().split('\n');

  it('with a wrong expectation fails at that operation', () => {
    const wrong = operations.map((line, index) =>
      index === 1 ? line.replace('"state":["new"', '"state":["est"') : line,
    );
    const { difference } = runScenario([header, ...wrong].join('\n'), { reclaim: 'sweep' });
    expect(difference).toMatchObject({ operation: 2, field: 'packets[0].state' });
  });

  it.each([
    ['a line that is not JSON', 'nonsense', /^line 1: not JSON/],
    ['no header', '{"op":"flush","now":0}', /^line 1: a scenario file starts with/],
    [
      'a packet with an unknown id',
      `${header}\n{"op":"exec","now":0,"packets":[{"reuse":"p9"}],"ct":{"zone":0},"expect":{"packets":[]}}`,
      /^line 2: packet "p9"/,
    ],
    [
      'a zone out of range',
      `${header}\n{"op":"exec","now":0,"packets":[{"id":"p","hex":"00"}],"ct":{"zone":70000},"expect":{"packets":[]}}`,
      /^line 2: zone must be/,
    ],
    [
      'an operation without a time',
      `${header}\n{"op":"exec","packets":[{"id":"p","hex":"00"}],"ct":{"zone":0}}`,
      /^line 2: .*time/,
    ],
  ])('with %s is refused with the number of the line', (_what, text, message) => {
    expect(() => runScenario(text, { reclaim: 'sweep' })).toThrow(message);
  });
});
