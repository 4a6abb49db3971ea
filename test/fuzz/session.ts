/** Runs one target with input after input. Shrinks the inputs that fail, and watches the memory. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Random } from './random.ts';
import { inputText, Tally, type Target } from './target.ts';

export interface SessionOptions {
  seed: number;
  /** Number of the first input. */
  first: number;
  /** The session ends after this time ... */
  ms: number;
  /** ... or after this number of inputs. */
  inputs: number;
  /** Also use the samples of ../shared, if it exists. */
  shared: boolean;
}

export interface FoundInput {
  target: string;
  seed: number;
  /** The number of the generated input. */
  number: number;
  message: string;
  /** The input as text, shrunk as far as the time allowed. */
  text: string;
}

export interface SessionReport {
  target: string;
  inputs: number;
  /** Calls of `generate`. */
  generated: number;
  ms: number;
  tally: Record<string, number>;
  found: FoundInput[];
  /** Bytes of heap and buffers after a garbage collection, at equal intervals. */
  memory: number[];
}

const MAX_FOUND = 8;
const SHRINK_MS = 3000;
const MEMORY_SAMPLES = 8;
/** By this much the heap may differ between samples without a leak. */
const MEMORY_SLACK_BYTES = 12 << 20;

/** The message of an error, with its place in the code. */
function messageOf(error: unknown): string {
  const { name, message, stack } = error as Error;
  if (name === 'Finding') {
    return message;
  }
  const place =
    stack
      ?.split('\n')
      .find((line) => /^\s+at /.test(line))
      ?.trim() ?? '';
  return `${name}: ${message} ${place}`;
}

/** The message without its numbers and quoted texts. Failures with the same result are reported once. */
function kindOf(message: string): string {
  return message.replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'|[0-9a-f]{6,}|-?\d+/g, '#').slice(0, 120);
}

async function failureOf(target: Target, input: unknown): Promise<string | undefined> {
  try {
    await target.run(input, new Tally());
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function shrunk(target: Target, input: unknown, message: string): Promise<{ input: unknown; message: string }> {
  const deadline = performance.now() + SHRINK_MS;
  let best = { input, message };
  for (let isSmaller = true; isSmaller && target.shrink !== undefined; ) {
    isSmaller = false;
    for (const smaller of target.shrink(best.input)) {
      if (performance.now() > deadline) {
        return best;
      }
      const failure = await failureOf(target, smaller);
      if (failure !== undefined && kindOf(failure) === kindOf(message)) {
        best = { input: smaller, message: failure };
        isSmaller = true;
        break;
      }
    }
  }
  return best;
}

let collect: (() => void) | undefined;

function memoryAfterCollection(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/**
 * A message if the memory grows without end, otherwise undefined. The first third of the samples is left out, because the process
 * warms up. A single leap is no growth: it may be a large table that was not collected yet.
 */
export function growthOf(samples: readonly number[]): string | undefined {
  const settled = samples.slice(Math.ceil(samples.length / 3));
  const growth = settled.at(-1)! - settled[0]!;
  const rising = settled.every((bytes, i) => i === 0 || bytes > settled[i - 1]!);
  const large = MEMORY_SLACK_BYTES / settled.length;
  const leaps = settled.filter((bytes, i) => i > 0 && bytes - settled[i - 1]! >= large).length;
  if (settled.length < 3 || !rising || growth < MEMORY_SLACK_BYTES || leaps < 2) {
    return undefined;
  }
  return `memory grows: ${settled.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(', ')} MiB after collections`;
}

/**
 * Runs a target.
 * @param onInput called with the number of each input before it runs
 */
export async function runSession(
  target: Target,
  options: SessionOptions,
  onInput: (number: number) => void = () => {},
): Promise<SessionReport> {
  await target.prepare?.({ shared: options.shared });
  const tally = new Tally();
  const found: FoundInput[] = [];
  const kinds = new Set<string>();
  const memory: number[] = [];
  const started = performance.now();
  let inputs = 0;
  let number = options.first;
  const add = (message: string, input: unknown) =>
    found.push({ target: target.name, seed: options.seed, number, message, text: inputText(input) });
  for (; inputs < options.inputs && found.length < MAX_FOUND; number++) {
    const ms = performance.now() - started;
    if (ms >= options.ms) {
      break;
    }
    if (Number.isFinite(options.ms) && ms >= (options.ms / MEMORY_SAMPLES) * memory.length) {
      memory.push(memoryAfterCollection());
    }
    onInput(number);
    const input = target.generate(new Random(options.seed, target.name, number));
    try {
      inputs += await target.run(input, tally);
    } catch (error) {
      inputs++;
      const message = messageOf(error);
      tally.add('found');
      if (!kinds.has(kindOf(message))) {
        kinds.add(kindOf(message));
        const small = await shrunk(target, input, message);
        add(small.message, small.input);
      }
    }
  }
  const ms = performance.now() - started;
  await target.end?.();
  const growth = growthOf(memory);
  if (growth !== undefined) {
    add(growth, null);
  }
  return {
    target: target.name,
    inputs,
    generated: number - options.first,
    ms,
    tally: tally.counts,
    found,
    memory,
  };
}
