/** The code blocks of README.md, copied unchanged, are one program that prints its results and ends. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { REPOSITORY, run } from '../support/child.ts';

const blocksOf = (file: string): string[] =>
  Array.from(readFileSync(join(REPOSITORY, file), 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm), ([, block]) => block!);

/* In the repository, where 'ct-bucket' resolves to the package itself. */
const folder = mkdtempSync(join(REPOSITORY, 'test', 'library', 'program-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const OPTIONS = [
  '--noEmit',
  '--strict',
  '--module',
  'nodenext',
  '--target',
  'es2023',
  '--types',
  'node',
  '--ignoreConfig',
  '--skipLibCheck',
  'false',
];

describe('the code blocks of README.md', () => {
  const program = blocksOf('README.md').join('\n');

  it('are three', () => {
    expect(blocksOf('README.md')).toHaveLength(3);
  });

  it('in one file print the output that their comments show, and end', async () => {
    const { code, stdout, stderr } = await run(process.execPath, ['--import', 'tsx', write('readme.mts', program)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n').toSorted();
    expect(lines.map((line) => line.replaceAll(/(?<=\d) \d+ (?=src)/g, ' T '))).toEqual(
      [
        "[ 'new', 'trk' ] taken",
        'udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=53),reply=(src=10.0.0.2,dst=10.0.0.1,sport=53,dport=1000),zone=1',
        "there [ 'new', 'trk', 'snat' ] 192.0.2.1 taken",
        "in zone 7 [ 'new', 'trk' ] 10.0.0.1 taken",
        '    [NEW] udp      17 T src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 [UNREPLIED] src=10.0.0.2 dst=192.0.2.1 sport=53 dport=1000',
        '    [NEW] udp      17 T src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1000 zone=7',
        '1 removed',
        '[DESTROY] udp      17 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1000 zone=7 flushed',
        '2 were created',
      ].toSorted(),
    );
  });

  it('pass the type checker', async () => {
    const { stdout } = await run(process.execPath, [TSC, ...OPTIONS, write('types.mts', program)]);
    expect(stdout).toBe('');
  });
});

describe('the code blocks of docs/library.md', () => {
  it('pass the type checker', async () => {
    const blocks = blocksOf('docs/library.md');
    expect(blocks.length).toBeGreaterThan(5);
    const files = blocks.map((block, i) => write(`block-${i}.mts`, block));
    const { stdout } = await run(process.execPath, [TSC, ...OPTIONS, ...files]);
    expect(stdout).toBe('');
  });
});
