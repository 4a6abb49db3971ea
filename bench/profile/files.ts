/** A profile as a file: JSON, speedscope and pprof. */

import { gzipSync } from 'node:zlib';
import { readTextFile } from '../../src/host/input-file.ts';
import { UsageError } from '../../src/core/errors.ts';
import type { ProfileFile } from './run.ts';
import { profileFault } from './profile-fields.ts';

/** @throws UsageError */
export function readProfile(file: string): ProfileFile {
  let content: ProfileFile;
  const text = readTextFile(file);
  try {
    content = JSON.parse(text) as ProfileFile;
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  const fault = profileFault(content);
  if (fault !== undefined) {
    throw new UsageError(`${file} is not a profile: ${fault}. Write one with ct-bucket profile --json`);
  }
  return content;
}

/** Waits as stacks, root first: lock, waiting site, waiting thread, holding thread. */
interface Waiting {
  stack: string[];
  waits: number;
  ns: number;
}

export function waitingOf({ profile }: ProfileFile): Waiting[] {
  const nameOf = (thread: number) => {
    const role = profile.threads.find((each) => each.thread === thread)?.role ?? 'thread';
    return `${role} ${thread}`;
  };
  return profile.threads.flatMap(({ thread, sites }) =>
    sites.flatMap(({ site, byThread }) =>
      byThread
        .filter(({ waits }) => waits > 0)
        .map(({ thread: holder, waits, ns }) => ({
          stack: [
            `${profile.sites[site]!.lock} lock`,
            profile.sites[site]!.name,
            `waiter ${nameOf(thread)}`,
            `held by ${nameOf(holder)}`,
          ],
          waits,
          ns,
        })),
    ),
  );
}

/** https://www.speedscope.app/file-format-schema.json */
export function speedscopeOf(file: ProfileFile): object {
  const waiting = waitingOf(file);
  const names = [...new Set(waiting.flatMap(({ stack }) => stack))];
  const total = waiting.reduce((sum, { ns }) => sum + ns, 0);
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    name: `ct-bucket: ${file.what}`,
    exporter: 'ct-bucket profile',
    shared: { frames: names.map((name) => ({ name })) },
    profiles: [
      {
        type: 'sampled',
        name: 'waiting for locks',
        unit: 'nanoseconds',
        startValue: 0,
        endValue: total,
        samples: waiting.map(({ stack }) => stack.map((name) => names.indexOf(name))),
        weights: waiting.map(({ ns }) => ns),
      },
    ],
  };
}

/** The part of the protocol buffers wire format that perftools.profiles (pprof's profile.proto) needs. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

function numberField(field: number, value: number): number[] {
  return [...varint(field * 8), ...varint(Math.round(value))];
}

function bytesField(field: number, bytes: readonly number[]): number[] {
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
}

const PROFILE = { sampleType: 1, sample: 2, location: 4, function: 5, strings: 6, durationNs: 10 } as const;
const SAMPLE = { locations: 1, values: 2 } as const;
const LOCATION = { id: 1, line: 4 } as const;
const FUNCTION = { id: 1, name: 2, systemName: 3 } as const;

/** Gzipped, with contentions and delay like a Go mutex profile. `go tool pprof` opens it. */
export function pprofOf(file: ProfileFile): Buffer {
  const waiting = waitingOf(file);
  const strings = ['', 'contentions', 'count', 'delay', 'nanoseconds'];
  const names = [...new Set(waiting.flatMap(({ stack }) => stack))];
  const stringOf = (text: string) => {
    if (!strings.includes(text)) {
      strings.push(text);
    }
    return strings.indexOf(text);
  };
  const bytes: number[] = [];
  for (const [type, unit] of [
    ['contentions', 'count'],
    ['delay', 'nanoseconds'],
  ] as const) {
    bytes.push(
      ...bytesField(PROFILE.sampleType, [...numberField(1, stringOf(type)), ...numberField(2, stringOf(unit))]),
    );
  }
  for (const { stack, waits, ns } of waiting) {
    /* pprof wants the leaf first. */
    const locations = stack.toReversed().flatMap((name) => varint(names.indexOf(name) + 1));
    const values = [...varint(waits), ...varint(Math.round(ns))];
    bytes.push(
      ...bytesField(PROFILE.sample, [...bytesField(SAMPLE.locations, locations), ...bytesField(SAMPLE.values, values)]),
    );
  }
  for (const [index, name] of names.entries()) {
    const id = index + 1;
    bytes.push(
      ...bytesField(PROFILE.location, [
        ...numberField(LOCATION.id, id),
        ...bytesField(LOCATION.line, numberField(1, id)),
      ]),
      ...bytesField(PROFILE.function, [
        ...numberField(FUNCTION.id, id),
        ...numberField(FUNCTION.name, stringOf(name)),
        ...numberField(FUNCTION.systemName, stringOf(name)),
      ]),
    );
  }
  for (const text of strings) {
    bytes.push(...bytesField(PROFILE.strings, [...Buffer.from(text, 'utf8')]));
  }
  bytes.push(...numberField(PROFILE.durationNs, file.durationMs * 1e6));
  return gzipSync(Uint8Array.from(bytes));
}
