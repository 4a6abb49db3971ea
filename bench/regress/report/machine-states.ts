/**
 * The state of the machine in verdicts and histories. A verdict compares pairs that were taken in turn, so that both builds met the
 * same machine: its state is marked. A history compares times of different days: entries of another state are left out.
 */

import { doubtsAbout, OTHER_STATE_TIMES, stateDifferences } from '../../machine/probe-rules.ts';
import { machineLine, probeLines } from '../../machine/probe-text.ts';
import { median } from '../../statistics/statistics.ts';
import { fingerprintOf, type HistoryEntry } from './result-file.ts';
import type { RegressResult } from '../run.ts';

const CONSEQUENCE =
  'the pairs were taken in turn, so both builds met this machine, but on a quiet one the change may be another';

/** The verdict of several shards, with what differs between their machines. */
export interface MarkedResult extends RegressResult {
  /** Shards whose machine was not quiet, or in another state than that of the first shard. */
  states?: string[];
}

/** What the reader of a verdict must know about the machine, line by line. */
export function stateLines({ machine, states }: MarkedResult): string[] {
  return states === undefined
    ? probeLines(machine, CONSEQUENCE)
    : [...states.map((state) => `NOT ALIKE: ${state}`), machineLine(machine)].filter((line) => line !== undefined);
}

/** Marks of shards that are merged. A case comes from one shard, so that no verdict mixes states. */
export function shardStates(results: readonly MarkedResult[]): string[] {
  const [first] = results;
  return results.flatMap((result, index) => {
    const name = `shard ${result.shard ?? index + 1}`;
    const doubts = doubtsAbout(result.machine);
    const isSame = index > 0 && fingerprintOf(first!.machine) === fingerprintOf(result.machine);
    const differences =
      isSame && doubts.length === 0 && doubtsAbout(first!.machine).length === 0
        ? stateDifferences(first!.machine, result.machine)
        : [];
    return [
      ...(result.states ?? []),
      ...(doubts.length === 0 ? [] : [`${name}: ${doubts.join('; ')}`]),
      ...differences.map((text) => `${name} (B) and shard ${first!.shard ?? 1} (A): ${text}`),
    ];
  });
}

/** The state of the machine in a line of a history. */
export interface EntryState {
  /** Mean latency of loads from 64 MB, before and after. */
  memoryNs?: number;
  doubts?: string[];
}

/** @returns undefined if the result tells nothing of the state, as older ones do */
export function entryStateOf({ machine, states }: MarkedResult): EntryState | undefined {
  const doubts = [...new Set([...doubtsAbout(machine), ...(states ?? [])])];
  const memory = [machine.probe?.before, machine.probe?.after]
    .map((reading) => reading?.loadNs['64M'])
    .filter((ns) => ns !== undefined);
  const state: EntryState = {
    ...(memory.length === 0 ? {} : { memoryNs: memory.reduce((sum, ns) => sum + ns, 0) / memory.length }),
    ...(doubts.length === 0 ? {} : { doubts }),
  };
  return Object.keys(state).length === 0 ? undefined : state;
}

export interface ComparableEntries {
  entries: HistoryEntry[];
  /** A line on the entries that were left out. */
  note?: string;
}

/**
 * The entries of one machine whose times may be compared. Left out are those of a machine that was not quiet, and those whose
 * memory was far from the median of the others. Older entries tell no state, and stay.
 */
export function comparableEntries(all: readonly HistoryEntry[]): ComparableEntries {
  const quiet = all.filter(({ state }) => (state?.doubts ?? []).length === 0);
  const memory = quiet.map(({ state }) => state?.memoryNs).filter((ns) => ns !== undefined);
  const usual = memory.length === 0 ? undefined : median(memory);
  const isUsual = (ns: number | undefined) =>
    ns === undefined || usual === undefined || Math.max(ns, usual) <= OTHER_STATE_TIMES * Math.min(ns, usual);
  const entries = quiet.filter(({ state }) => isUsual(state?.memoryNs));
  const [busy, other] = [all.length - quiet.length, quiet.length - entries.length];
  if (busy + other === 0) {
    return { entries };
  }
  const reasons = [
    ...(busy === 0 ? [] : [`the machine was not quiet for ${busy}`]),
    ...(other === 0 ? [] : [`its memory was in another state for ${other}`]),
  ];
  return { entries, note: `NOT COMPARED: ${busy + other} of ${all.length} entries: ${reasons.join(', ')}` };
}
