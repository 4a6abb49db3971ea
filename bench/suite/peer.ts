/**
 * `ct-bucket bench peer`: measures an outside program in turn with ct-bucket, on the same work, and shows both in one table.
 *
 * The program prints lines of JSON such as
 * {"workload":"udp-insert","threads":1,"connections":1000000,"packets":1000000,"ms":598.341}. Lines that do not begin with a
 * brace are ignored.
 */

import { basename } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { ChildError, runChild } from '../../src/host/children.ts';
import { machineFingerprint } from '../machine/machine.ts';
import type { BenchResult, ResultsFile } from '../report/results-file.ts';
import { showProgress, takeSample } from '../samples/samples.ts';
import { counted } from '../../src/host/terminal.ts';
import { median } from '../statistics/statistics.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';
import { WORKLOAD_NAMES, type WorkloadName, WORKLOADS, workloadOf } from '../workloads/registry.ts';
import type { Workload } from '../workloads/workload.ts';

/** One figure of a run. */
export interface PeerFigure {
  workload: string;
  threads: number;
  connections: number;
  packets: number;
  ms: number;
}

/** The work of a run, the same for ct-bucket and the peer. */
export interface PeerWork {
  /** Name of the workload in `bench`. */
  workload: string;
  threads: number;
  connections: number;
  batch: number;
  window: number;
  buckets: number;
  /** Zones of each thread, for workloads with zones. */
  zones?: number;
}

export interface PeerOptions {
  /** Shell command. {workload}, {threads}, {connections}, {window}, {zones}, {batch} and {runs} (always 1) are replaced. */
  command: string;
  /** Name of the peer in tables. Default: the program's file name. */
  name?: string;
  workload: string;
  threads: readonly number[];
  connections: number;
  runs: number;
  batch: number;
  /** Connections of each thread whose packets come side by side. Default: all. */
  window?: number;
  /** Zones, for workloads with zones. Default: the least number that `bench` takes for this workload. */
  zones?: number;
  buckets: number;
  /** Runs ct-bucket once. */
  takeOurs?: (work: PeerWork) => PeerFigure[] | Promise<PeerFigure[]>;
}

/** A peer that takes longer is considered to hang. */
const TIMEOUT_MS = 300_000;
const ENGINE = 'ct-bucket';

/** @throws UsageError if the peer fails, prints no figures, or does other work */
export async function measurePeer(options: PeerOptions): Promise<ResultsFile> {
  const { command, workload, threads, connections, runs, batch, buckets, takeOurs = takeOurSample } = options;
  const window = options.window ?? connections;
  const zones = options.zones ?? presetZones(workload);
  const name = options.name ?? programName(command);
  if (name === ENGINE) {
    throw new UsageError(`the peer must not be called ${ENGINE}: give another name with --name`);
  }
  const samples = new Map<string, { engine: string; figures: PeerFigure[] }>();
  const keep = (engine: string, figure: PeerFigure): void => {
    const key = `${figure.workload} ${engine} ${figure.threads}`;
    const entry = samples.get(key) ?? { engine, figures: [] };
    entry.figures.push(figure);
    samples.set(key, entry);
  };
  for (let run = 0; run < runs; run++) {
    for (const count of threads) {
      showProgress(`run ${run + 1} of ${runs}: ${counted(count, 'thread')}, ${ENGINE} and ${name}`);
      const work = { workload, threads: count, connections, batch, window, buckets, zones };
      /* Alternate the order, since a run leaves heat, caches and freed memory to the next one. */
      let theirs = run % 2 === 0 ? undefined : await runPeerOnce(command, work);
      const ours = await takeOurs(work);
      theirs ??= await runPeerOnce(command, work);
      for (const figure of ours) {
        keep(ENGINE, figure);
        keep(name, sameWork(figure, theirs, name));
      }
    }
  }
  showProgress('');
  return {
    benchmark: 'peer',
    machine: machineFingerprint(),
    options: { command, name, workload, threads, connections, runs, batch, window, buckets, zones },
    results: [...samples.values()].map(({ engine, figures }) => resultOf(engine, figures)),
  };
}

/** 1 for a workload without zones. */
export function presetZones(name: string): number {
  const workload = (WORKLOADS as Record<string, Workload>)[name];
  return workload?.zones === undefined ? 1 : Number(workload.variants[0]);
}

/** The result of all runs of the same work. */
export function resultOf(engine: string, figures: readonly PeerFigure[]): BenchResult {
  const { workload, threads, connections, packets } = figures[0]!;
  const runsMs = figures.map((figure) => figure.ms);
  return { workload, engine, threads, connections, packets, medianMs: median(runsMs), runsMs };
}

/** The program's file name in a command, which may begin with variable assignments. */
export function programName(command: string): string {
  const words = command.trim().split(/\s+/);
  const program = words.find((word) => !/^\w+=/.test(word)) ?? '';
  return basename(program.replaceAll(/['"]/g, '')) || 'peer';
}

export function fillTemplate(command: string, work: PeerWork): string {
  const values: Record<string, string> = {
    workload: work.workload,
    threads: String(work.threads),
    connections: String(work.connections),
    window: String(work.window),
    batch: String(work.batch),
    zones: String(work.zones ?? 1),
    runs: '1',
  };
  return command.replaceAll(
    /\{(workload|threads|connections|window|zones|batch|runs)\}/g,
    (_, name: string) => values[name]!,
  );
}

/** Runs the peer once. @returns what it printed. @throws UsageError if it fails, or prints no figures */
export async function runPeerOnce(template: string, work: PeerWork): Promise<PeerFigure[]> {
  const command = fillTemplate(template, work);
  const { stdout } = await runChild('/bin/sh', ['-c', command], {
    timeoutMs: TIMEOUT_MS,
    stderr: 'pipe',
    isGroup: true,
  }).catch((error: unknown) => {
    if (!(error instanceof ChildError)) {
      throw error;
    }
    const said = error.stderr.trim().split('\n').at(-1) ?? '';
    throw new UsageError(`the peer failed (${error.message}): ${command}${said === '' ? '' : `: ${said}`}`);
  });
  const figures = stdout
    .split('\n')
    .filter((line) => line.trimStart().startsWith('{'))
    .map(parseFigure);
  if (figures.length === 0) {
    throw new UsageError(`the peer printed no JSON: ${command}`);
  }
  return figures;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

/** @throws UsageError */
export function parseFigure(line: string): PeerFigure {
  let figure: Partial<PeerFigure>;
  try {
    figure = JSON.parse(line) as Partial<PeerFigure>;
  } catch {
    throw new UsageError(`the peer printed a line that is not JSON: ${line.slice(0, 120)}`);
  }
  const numbers = [figure.threads, figure.connections, figure.packets, figure.ms];
  if (typeof figure.workload !== 'string' || !numbers.every(isPositive)) {
    throw new UsageError(
      `the peer's line lacks workload, threads, connections, packets or ms: ${line.slice(0, 120).trimEnd()}`,
    );
  }
  return figure as PeerFigure;
}

/** The peer's figure for a figure of ct-bucket. @throws UsageError if it is missing or of other work */
export function sameWork(ours: PeerFigure, theirs: readonly PeerFigure[], name: string): PeerFigure {
  const found = theirs.filter((figure) => figure.workload === ours.workload && figure.threads === ours.threads);
  const figure = found[0];
  if (figure === undefined || found.length > 1) {
    throw new UsageError(
      `${name} printed ${found.length === 0 ? 'no figure' : `${found.length} figures`} of ${ours.workload} with ${counted(ours.threads, 'thread')}`,
    );
  }
  for (const what of ['connections', 'packets'] as const) {
    if (figure[what] !== ours[what]) {
      throw new UsageError(
        `${name} does other work: ${figure[what]} ${what} of ${ours.workload} with ${counted(ours.threads, 'thread')}, ours ${ours[what]}`,
      );
    }
  }
  return figure;
}

async function takeOurSample(work: PeerWork): Promise<PeerFigure[]> {
  const { workload, threads, connections, batch, window, buckets, zones } = work;
  if (!WORKLOAD_NAMES.includes(workload as WorkloadName)) {
    throw new UsageError(`there is no workload ${workload}; there are ${WORKLOAD_NAMES.join(', ')}`);
  }
  const name = workload as WorkloadName;
  const variant = workloadOf(name).zones === undefined ? undefined : String(zones ?? presetZones(name));
  const sample = await takeSample<WorkloadSample>('samples/workload-sample.js', {
    workload: name,
    ...(variant === undefined ? {} : { variant }),
    threads,
    connections,
    batchSize: batch,
    window,
    buckets,
    prefaulted: true,
  } satisfies WorkloadSampleOptions);
  if (sample.error !== undefined) {
    throw new Error(sample.error);
  }
  return sample.results.map(({ name, ms, packets }) => ({ workload: name, threads, connections, packets, ms }));
}
