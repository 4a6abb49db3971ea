/** Files of test/fixtures and, if it exists beside the repository, of ../shared. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileChunks, readCapture } from '../../src/cli/capture/open-capture.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');
const SHARED_CAPTURES = join(import.meta.dirname, '..', '..', '..', 'shared', 'captures');

/** A capture, and the states that the reference gave to each of its packets. */
export interface RecordedCapture {
  name: string;
  frames: Uint8Array[];
  states: string[];
}

async function recordedCapture(folder: string, name: string): Promise<RecordedCapture> {
  const frames: Uint8Array[] = [];
  for await (const packet of readCapture(fileChunks(join(folder, `${name}.pcap`)))) {
    frames.push(packet.frame.slice());
  }
  const states = readFileSync(join(folder, `${name}.states`), 'utf8')
    .trimEnd()
    .split('\n');
  return { name, frames, states };
}

/** The path of a capture in the fixtures. */
export function capturePath(name: string): string {
  return join(FIXTURES, 'captures', `${name}.pcap`);
}

/** All captures of the fixtures. */
export function fixtureCaptures(): Promise<RecordedCapture[]> {
  const folder = join(FIXTURES, 'captures');
  const names = readdirSync(folder).filter((file) => file.endsWith('.pcap'));
  return Promise.all(names.map((file) => recordedCapture(folder, file.replace('.pcap', ''))));
}

/** The captures of the shared collection that need no fragment reassembly; none if the collection does not exist. */
export function sharedCaptures(): Promise<RecordedCapture[]> {
  const index = join(SHARED_CAPTURES, 'INDEX.tsv');
  if (!existsSync(index)) {
    return Promise.resolve([]);
  }
  const rows = readFileSync(index, 'utf8').trimEnd().split('\n').slice(1);
  const names = rows
    .map((row) => row.split('\t'))
    .filter(([, group]) => group !== 'fragments' && group !== 'fragments-kept')
    .map(([name]) => name!);
  return Promise.all(names.map((name) => recordedCapture(SHARED_CAPTURES, name)));
}

/** The path of a scenario file in the fixtures. */
export function scenarioPath(name: string): string {
  return join(FIXTURES, 'vectors', `${name}.jsonl`);
}

/** Every frame of the scenario files, each once. */
export function scenarioFrames(): Buffer[] {
  const folder = join(FIXTURES, 'vectors');
  const frames = new Set<string>();
  for (const file of readdirSync(folder)) {
    for (const [, hex] of readFileSync(join(folder, file), 'utf8').matchAll(/"hex":"([0-9a-f]*)"/g)) {
      frames.add(hex!);
    }
  }
  return [...frames].map((hex) => Buffer.from(hex, 'hex'));
}
