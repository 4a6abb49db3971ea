/** `npm run fuzz`: runs the targets one after another. Each runs in a thread, which the main thread watches. */

import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { oneOfEach, wholeNumber } from '../../src/cli/options/option-parsers.ts';
import { applyOptionRules } from '../../src/cli/options/option-rules.ts';
import { UsageError } from '../../src/core/errors.ts';
import { guardProcess, systemReason, printError } from '../../src/host/command-end.ts';
import { OutputFiles } from '../../src/host/output-files.ts';
import { watchSignals } from '../../src/host/signals.ts';
import type { SessionReport } from './session.ts';
import { TARGETS, targetOf } from './targets.ts';
import { SELF_TESTS } from './targets/self-tests.ts';
import { watched, watchedSession } from './watch.ts';

interface FuzzOptions {
  seed?: number;
  minutes?: number;
  seconds?: number;
  inputs?: number;
  target?: string[];
  repeat?: string;
  out: string;
  shared: boolean;
}

const DEFAULT_SECONDS = 60;
const FORMAT = 'ct-bucket fuzz input';
const names = TARGETS.map(({ name }) => name);
const selfTests = SELF_TESTS.map(({ name }) => name);

/** Accepts the targets that fail on purpose too, although the help does not list them. */
function oneOf(text: string): string[] {
  return selfTests.includes(text) ? [text] : oneOfEach(names)(text);
}

const program = new Command('npm run fuzz --')
  .description(
    'Feed made-up and broken inputs to the tracker, its files, options and commands.\n\n' +
      'Nothing may throw, hang, read or write outside its memory, or grow without end.\n\n' +
      `Targets:\n${TARGETS.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n')}`,
  )
  .option(
    '--seed <number>',
    'Seed of the inputs: the same seed makes the same inputs (default: from the clock; it is printed)',
    wholeNumber(0, 0x7fffffff),
  )
  .option('--minutes <minutes>', 'Duration, all targets together', wholeNumber(1, 100_000))
  .option(
    '--seconds <seconds>',
    `Duration, all targets together (default: ${DEFAULT_SECONDS})`,
    wholeNumber(1, 6_000_000),
  )
  .option('--inputs <inputs>', 'Number of inputs of each target, instead of a duration', wholeNumber(1, 1e12))
  .option('--target <list>', 'Targets to feed, separated by commas (default: all)', oneOf)
  .option('--repeat <file>', 'Run the input in this file again, as a finding has written it')
  .option('--out <folder>', 'Folder for inputs that fail', 'fuzz-findings')
  .option('--no-shared', 'Use only material of the repository itself, so that a seed means the same everywhere')
  .exitOverride()
  .showSuggestionAfterError(false)
  .configureOutput({ outputError: (text, write) => write(`fuzz: ${text.replace(/^error: /, '')}`) });

/** Checks the folder for findings before the first input. @throws UsageError if it cannot be written */
function requireFolder(folder: string): void {
  let existing = resolve(folder);
  while (!existsSync(existing)) {
    existing = dirname(existing);
  }
  try {
    accessSync(join(existing, '.'), constants.W_OK);
  } catch (error) {
    throw new UsageError(`cannot write into ${folder}: ${systemReason(error)}`);
  }
}

/** Only one option may say when the run ends. @throws UsageError if there are several */
function requireOneEnd(options: FuzzOptions): void {
  const given = (['minutes', 'seconds', 'inputs', 'repeat'] as const).filter((name) => options[name] !== undefined);
  if (given.length > 1) {
    throw new UsageError(`${given.map((name) => `--${name}`).join(' and ')}: give one of them`);
  }
}

/** Writes the inputs that failed to files. @returns the lines to print */
function findingLines(report: SessionReport, folder: string): string[] {
  return report.found.flatMap(({ target, seed, number, message, text }, index) => {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${target}-${seed}-${number}${index === 0 ? '' : `-${index}`}.json`);
    const record = { format: FORMAT, target, seed, number, message, input: JSON.parse(text) as unknown };
    new OutputFiles({ out: file }).begin().write({ out: () => `${JSON.stringify(record)}\n` });
    return [
      `  FOUND by seed ${seed}, input ${number}: ${message.split('\n').slice(0, 12).join('\n    ')}`,
      `    npm run -s fuzz -- --target ${target} --repeat ${file}`,
    ];
  });
}

function tallyText(tally: Record<string, number>): string {
  return Object.entries(tally)
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
}

function reportLines(report: SessionReport, folder: string): string[] {
  const { target, inputs, ms, tally, found, memory } = report;
  const mib = memory.length === 0 ? '' : `, ${(memory.at(-1)! / 2 ** 20).toFixed(0)} MiB`;
  const rate = Math.round((inputs * 1000) / ms);
  return [
    `${target.padEnd(10)} ${inputs} inputs, ${rate}/s${mib}, ${found.length} found; ${tallyText(tally)}`,
    ...findingLines(report, folder),
  ];
}

async function repeat(file: string, shared: boolean): Promise<number> {
  let record: { format?: string; target?: string; input?: unknown };
  try {
    record = JSON.parse(readFileSync(file, 'utf8')) as typeof record;
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  if (record?.format !== FORMAT || record.target === undefined || targetOf(record.target) === undefined) {
    throw new UsageError(`${file} is no input that the fuzzer wrote`);
  }
  const task = { target: record.target, seed: 0, first: 0, ms: 0, inputs: 1, shared };
  const { answer, problem } = await watched<{ message: string; tally: Record<string, number> }>({
    ...task,
    repeat: JSON.stringify(record.input),
  });
  const failure = answer === undefined ? problem! : answer.message;
  console.log(failure === '' ? `nothing found; ${tallyText(answer!.tally)}` : failure);
  return failure === '' ? 0 : 1;
}

/** @returns the exit code: 1 if an input failed */
async function fuzz(options: FuzzOptions): Promise<number> {
  if (options.repeat !== undefined) {
    return repeat(options.repeat, options.shared);
  }
  if ([options.minutes, options.seconds, options.inputs].filter((each) => each !== undefined).length > 1) {
    throw new UsageError('give one of --minutes, --seconds and --inputs');
  }
  const seed = options.seed ?? Date.now() % 0x7fffffff;
  const chosen = (options.target ?? names).map(targetOf);
  const weights = chosen.reduce((sum, { weight }) => sum + weight, 0);
  const totalMs =
    options.minutes === undefined ? (options.seconds ?? DEFAULT_SECONDS) * 1000 : options.minutes * 60_000;
  console.log(`seed ${seed}${options.shared ? '' : ', material of the repository only'}`);
  let found = 0;
  let inputs = 0;
  for (const { name, weight } of chosen) {
    const limit =
      options.inputs === undefined
        ? { ms: (totalMs * weight) / weights, inputs: Number.POSITIVE_INFINITY }
        : { ms: Number.POSITIVE_INFINITY, inputs: options.inputs };
    const report = await watchedSession(name, { seed, first: 0, shared: options.shared, ...limit });
    found += report.found.length;
    inputs += report.inputs;
    console.log(reportLines(report, options.out).join('\n'));
  }
  console.log(`${inputs} inputs, ${found} found; to repeat: --seed ${seed}`);
  return found === 0 ? 0 : 1;
}

guardProcess();
watchSignals();
applyOptionRules(program);
try {
  program.parse();
  const options = program.opts<FuzzOptions>();
  requireOneEnd(options);
  requireFolder(options.out);
  process.exitCode = await fuzz(options);
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else if (error instanceof UsageError) {
    console.error(`fuzz: ${error.message}`);
    process.exitCode = 2;
  } else {
    process.exitCode = printError(error);
  }
}
/* A target may leave handles open, which would keep the process alive. */
process.exit();
