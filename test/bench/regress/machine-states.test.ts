/** The state of the machine in verdicts, in the shards of one, and in a history. */

import { describe, expect, it } from 'vitest';
import type { MachineFingerprint } from '../../../bench/machine/machine.ts';
import {
  comparableEntries,
  entryStateOf,
  type EntryState,
  type MarkedResult,
  shardStates,
  stateLines,
} from '../../../bench/regress/report/machine-states.ts';
import type { HistoryEntry } from '../../../bench/regress/report/result-file.ts';
import { entryFault } from '../../../bench/regress/report/result-fields.ts';
import { machineWith, QUIET, SLOW_MEMORY } from '../../support/probe-readings.ts';

/** The part of a verdict that tells of the machine. */
const verdict = (machine: MachineFingerprint, shard = '1/1', states?: string[]): MarkedResult =>
  ({ machine, shard, ...(states === undefined ? {} : { states }) }) as MarkedResult;
const quiet = machineWith(QUIET);
const slow = machineWith(SLOW_MEMORY);
const slower = machineWith({ ...QUIET, loadNs: { ...QUIET.loadNs, '64M': 140 } });

describe('a verdict', () => {
  it('has a line about the machine, and one more if it was not quiet', () => {
    expect(stateLines(verdict(quiet))).toEqual([expect.stringMatching(/^this machine: memory 90 ns/)]);
    expect(stateLines(verdict(slow))).toEqual([
      expect.stringMatching(/^NOT QUIET: memory is slow .*: the pairs were taken in turn, so both builds met this/),
      expect.stringMatching(/^this machine: memory 262 ns/),
    ]);
    expect(stateLines(verdict(machineWith()))).toEqual([]);
  });
});

describe('shards', () => {
  it('of quiet machines in one state are not marked', () => {
    expect(shardStates([verdict(quiet, '1/2'), verdict(quiet, '2/2')])).toEqual([]);
    expect(shardStates([verdict(machineWith(), '1/2'), verdict(quiet, '2/2')])).toEqual([]);
  });

  it('of a machine that was not quiet, or in another state, are marked', () => {
    expect(shardStates([verdict(quiet, '1/2'), verdict(slow, '2/2')])).toEqual([
      expect.stringMatching(/^shard 2\/2: memory is slow/),
    ]);
    const states = shardStates([verdict(quiet, '1/2'), verdict(slower, '2/2')]);
    expect(states).toEqual(['shard 2/2 (B) and shard 1/2 (A): latency from 64 MB: 90 ns in A, 140 ns in B']);
    expect(stateLines(verdict(quiet, '1/2', states))[0]).toBe(`NOT ALIKE: ${states[0]}`);
  });

  it('of two machines are not compared in their memory', () => {
    expect(shardStates([verdict(quiet, '1/2'), verdict({ ...slower, cpu: 'Other CPU' }, '2/2')])).toEqual([]);
  });

  it('keep their marks if they were merged before', () => {
    expect(shardStates([verdict(quiet, '1/2', ['shard 1/4: busy'])])).toEqual(['shard 1/4: busy']);
  });
});

describe('a history', () => {
  const entry = (state?: EntryState): HistoryEntry => ({
    time: '2026-01-01T00:00:00.000Z',
    commit: 'c',
    machine: 'm',
    verdict: 'fine',
    timesMs: { insert: 10 },
    ...(state === undefined ? {} : { state }),
  });

  it('records the memory and the doubts', () => {
    expect(entryStateOf(verdict(quiet))).toEqual({ memoryNs: 90 });
    expect(entryStateOf(verdict(machineWith()))).toBeUndefined();
    expect(entryStateOf(verdict(slow, '1/1', ['shard 2: busy']))).toMatchObject({
      memoryNs: 262,
      doubts: [expect.stringContaining('memory is slow'), expect.stringContaining('caches'), 'shard 2: busy'],
    });
    expect(entryFault(entry(entryStateOf(verdict(slow))))).toBeUndefined();
    expect(entryFault({ ...entry(), state: { doubts: 'yes' } })).toMatch(/state\.doubts must be a list/);
  });

  it('compares all entries of one quiet state, and older ones without a state', () => {
    const all = [entry(), entry({ memoryNs: 90 }), entry({ memoryNs: 130 }), entry()];
    expect(comparableEntries(all)).toEqual({ entries: all });
  });

  it('leaves out entries of a busy machine and of other memory, and says how many', () => {
    const kept = [entry({ memoryNs: 90 }), entry({ memoryNs: 95 }), entry()];
    const busy = entry({ memoryNs: 92, doubts: ['the load was 5.0 on 2 cores when this began'] });
    const other = entry({ memoryNs: 150 });
    const { entries, note } = comparableEntries([busy, ...kept, other]);
    expect(entries).toEqual(kept);
    expect(note).toBe(
      'NOT COMPARED: 2 of 5 entries: the machine was not quiet for 1, its memory was in another state for 1',
    );
  });
});
