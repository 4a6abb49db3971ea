/** The figures of a section of docs/findings.md: an extract of result files of `ct-bucket bench`, in docs/data/NAME.json. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What a figure says. The unit is part of the name. */
export type Measure =
  /** Time of a packet. */
  | 'packetNs'
  /** Connections of all threads, in millions a second. */
  | 'millionConnectionsPerS'
  /** Time on one thread / time on these threads, for the same work. */
  | 'speedUp'
  /** Time of this engine / time of ct-bucket. */
  | 'timesOfOurs'
  /** Time of this choice of a study / time of its first choice. */
  | 'timesOfFirst'
  | 'lagP50Ms'
  | 'lagP99Ms'
  | 'sweeperCpuPercent'
  | 'removalNs'
  | 'bytesPerConnection'
  /** The 99.9 % time of a batch with a sweeper / the same without. */
  | 'batchTailTimes';

/** A measurement: one result file. */
export interface Source {
  command: string;
  /** Day on which it ended: YYYY-MM-DD. */
  date: string;
  machine: {
    /** Processor, cores, Node, kernel. */
    name: string;
    cores: number;
    /** What the probe found. Absent if the file has no probe. */
    state?: string;
    /** Reasons not to trust the figures. Empty for a quiet machine. */
    doubts: string[];
  };
}

export interface Figure {
  /** Index of the source. */
  source: number;
  measure: Measure;
  /** Result of a workload: udp-insert, tcp-life, aging, ... */
  what: string;
  /** The engine, the peer, or the choice of a study. */
  engine: string;
  threads: number;
  connections: number;
  buckets?: number;
  runs: number;
  /** Median of the runs. */
  value: number;
  /** 95 % interval. Absent with fewer than three runs. */
  low?: number;
  high?: number;
}

export interface Extract {
  sources: Source[];
  figures: Figure[];
}

/** What others published, in docs/data/published.json. */
export interface Published {
  name: string;
  note: string;
  /** Bounds in ns. Equal if one figure was published. */
  insertionNs?: [number, number];
  lookupNs?: [number, number];
  source: string;
}

export function dataPath(name: string): string {
  return join('docs', 'data', `${name}.json`);
}

/** @returns undefined if it has not been measured yet */
export function readExtract(name: string): Extract | undefined {
  const path = join(ROOT, dataPath(name));
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Extract) : undefined;
}

export function readPublished(): Published[] {
  return JSON.parse(readFileSync(join(ROOT, dataPath('published')), 'utf8')) as Published[];
}

/** All doubts about the machine, each once. */
export function doubtsOf({ sources }: Extract): string[] {
  return [...new Set(sources.flatMap(({ machine }) => machine.doubts))];
}

/** The values in the order in which they first appear. */
export function distinct<Value>(values: Iterable<Value>): Value[] {
  return [...new Set(values)];
}
