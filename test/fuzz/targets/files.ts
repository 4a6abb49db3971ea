/** The JSON files that commands read: results, profiles, verdicts, histories, scenarios, the configuration. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../../bench/regress/config.ts';
import { expectProperEnd, printedBy } from '../command-line.ts';
import { complainsOrWorks } from '../complaints.ts';
import { loadCorpus, type SampleFile } from '../corpus.ts';
import type { Random } from '../random.ts';
import { CONFIG, HISTORY, PROFILE, RESULTS, VERDICTS } from '../samples.ts';
import { type Tally, type Target } from '../target.ts';
import { mutatedBytes, mutatedJson, mutatedText } from '../text.ts';

const KINDS = ['config', 'compare', 'diff', 'merge', 'history', 'verify'] as const;

interface FilesInput {
  kind: (typeof KINDS)[number];
  files: Uint8Array[];
  options: string[];
}

let scenarios: SampleFile[] = [];
let folder = '';

/** A file that is broken in one of its JSON values, in its text, or in its bytes. */
function broken(random: Random, value: unknown, isLines = false): Uint8Array {
  const write = (each: unknown) => JSON.stringify(each) ?? '';
  let text: string;
  if (isLines) {
    const at = random.below((value as unknown[]).length);
    text = (value as unknown[]).map((line, i) => write(i === at ? mutatedJson(random, line) : line)).join('\n');
  } else {
    text = write(random.oneIn(20) ? value : mutatedJson(random, value));
  }
  const bytes = Uint8Array.from(new TextEncoder().encode(random.oneIn(12) ? mutatedText(random, text) : text));
  return random.oneIn(20) ? mutatedBytes(random, bytes) : bytes;
}

function generate(random: Random): FilesInput {
  const kind = random.pick(KINDS);
  const options = (names: string[]) => names.filter(() => random.oneIn(2));
  switch (kind) {
    case 'config':
      return { kind, files: [broken(random, CONFIG)], options: [] };
    case 'compare':
      return {
        kind,
        files: [broken(random, RESULTS), broken(random, RESULTS)],
        options: options(['--force', '--json']),
      };
    case 'diff':
      return { kind, files: [broken(random, PROFILE), broken(random, PROFILE)], options: [] };
    case 'merge': {
      const files = VERDICTS.map((verdict) => broken(random, verdict)).slice(0, random.between(1, 2));
      return { kind, files, options: options(['--json', '--markdown', '--junit', '--history']) };
    }
    case 'history':
      return { kind, files: [broken(random, HISTORY, true)], options: [] };
    default: {
      const lines = new TextDecoder().decode(random.pick(scenarios).bytes).trimEnd().split('\n').slice(0, 8);
      const parsed = lines.map((line) => JSON.parse(line) as unknown);
      return { kind, files: [broken(random, parsed, true)], options: options(['--json']) };
    }
  }
}

async function run({ kind, files, options }: FilesInput, tally: Tally): Promise<number> {
  const paths = files.map((bytes, i) => {
    const path = join(folder, `${kind}-${i}`);
    writeFileSync(path, bytes);
    return path;
  });
  if (kind === 'config') {
    tally.add(`config ${complainsOrWorks(() => readConfig(paths[0]!)) ? 'works' : 'refused'}`);
    return 1;
  }
  const commands = {
    compare: ['bench', 'compare', ...paths, ...options],
    diff: ['profile', 'diff', ...paths],
    merge: ['regress', 'merge', ...paths, ...options.flatMap((option) => [option, join(folder, `written${option}`)])],
    history: ['regress', 'history', ...paths],
    verify: ['verify', ...paths, ...options],
  };
  const printed = await printedBy(commands[kind]);
  expectProperEnd(printed);
  tally.add(`${kind}: ${printed.exitCode}`);
  return 1;
}

export const files: Target<FilesInput> = {
  name: 'files',
  about: 'files for bench compare, profile diff, regress merge and history, verify, and the configuration of regress',
  weight: 1,
  prepare: async (options) => {
    scenarios = (await loadCorpus(options)).scenarios;
    folder = mkdtempSync(join(tmpdir(), 'ct-bucket-fuzz-'));
  },
  generate,
  run,
  end: () => rmSync(folder, { recursive: true }),
};
