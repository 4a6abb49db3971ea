/** Runs one scenario file: recorded operations, with the answers of Open vSwitch's tracker. */

import { UsageError } from '../../core/errors.ts';
import { Mismatch, type Operation } from './scenario-operations.ts';
import { type ScenarioOptions, ScenarioRun } from './scenario-run.ts';
import { requireOperation } from './scenario-fields.ts';

export type { ScenarioOptions } from './scenario-run.ts';

/** The first difference between the recorded answers and those of the tracker. */
export interface Difference {
  /** 1 for the first operation, which is line 2 of the file. */
  operation: number;
  field: string;
  expected: unknown;
  got: unknown;
}

export interface ScenarioResult {
  operations: number;
  packets: number;
  /** Undefined if all answers agree. */
  difference?: Difference;
}

/**
 * Runs a scenario file up to the first difference.
 * @param text JSON Lines: a scenario object, then one operation per line
 * @throws UsageError for a text that is not a scenario file. The message names the line
 */
export function runScenario(text: string, options: ScenarioOptions): ScenarioResult {
  const lines = text.split('\n');
  if (lines.at(-1) === '') {
    lines.pop();
  }
  const [header, ...parsed] = lines.map((line, index) => parseLine(line, index + 1));
  if (header === undefined || !('scenario' in header)) {
    throw new UsageError('line 1: a scenario file starts with {"scenario": ...}');
  }
  const operations = parsed as unknown as Operation[];
  const run = new ScenarioRun(options, operations);
  for (const [index, operation] of operations.entries()) {
    try {
      requireOperation(parsed[index]!);
      run.run(operation);
    } catch (error) {
      if (error instanceof Mismatch) {
        const { field, expected, got } = error;
        const difference = { operation: index + 1, field, expected, got };
        return { operations: operations.length, packets: run.packets, difference };
      }
      if (error instanceof UsageError) {
        throw new UsageError(`line ${index + 2}: ${error.message}`);
      }
      throw error;
    }
  }
  return { operations: operations.length, packets: run.packets };
}

function parseLine(line: string, number: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new UsageError(`line ${number}: not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`line ${number}: not a JSON object`);
  }
  return value as Record<string, unknown>;
}
