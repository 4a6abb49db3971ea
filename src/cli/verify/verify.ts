/** `ct-bucket verify`: runs scenario files and compares the answers. */

import { UsageError } from '../../core/errors.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import type { Reclaim } from '../../core/memory/table-options.ts';
import { concludeWith } from '../../host/command-end.ts';
import { showProgress } from '../../host/terminal.ts';
import { fileChunks } from '../capture/open-capture.ts';
import { ExitCode } from '../exit-code.ts';
import { runScenario, type ScenarioResult } from './scenario.ts';

export interface VerifyOptions {
  reclaim: Reclaim;
  engine: EngineName;
  json: boolean;
}

interface FileReport extends Partial<ScenarioResult> {
  file: string;
  passed: boolean;
  /** Set if the file is not a scenario file. */
  error?: string;
}

/** Far more than any scenario. A device may be endless. */
const MAX_FILE_BYTES = 2 ** 28;

/** Reads piece by piece, so that a signal can end the wait for a pipe. @throws UsageError */
async function textOf(file: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of fileChunks(file)) {
    bytes += piece.length;
    if (bytes > MAX_FILE_BYTES) {
      throw new UsageError(`more than ${MAX_FILE_BYTES / 2 ** 20} MiB: not a scenario file`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

async function reportOf(file: string, { reclaim, engine }: VerifyOptions): Promise<FileReport> {
  try {
    const result = runScenario(await textOf(file), { reclaim, engine });
    return { file, passed: result.difference === undefined, ...result };
  } catch (error) {
    if (error instanceof UsageError) {
      const { message } = error;
      const name = `${file}: `;
      return { file, passed: false, error: message.startsWith(name) ? message.slice(name.length) : message };
    }
    throw error;
  }
}

function describe(report: FileReport): string {
  if (report.error !== undefined) {
    return `${report.file}: ${report.error}`;
  }
  const { operation, field, expected, got } = report.difference!;
  return `${report.file}: operation ${operation}: ${field}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`;
}

/** Runs the files in order and prints differences. @returns the exit code */
export async function verify(files: readonly string[], options: VerifyOptions): Promise<ExitCode> {
  const reports: FileReport[] = [];
  for (const file of files) {
    showProgress(file, { firstAfterMs: 20_000 });
    const report = await reportOf(file, options);
    showProgress('');
    if (report.error !== undefined) {
      console.error(`ct-bucket: ${describe(report)}`);
    } else if (!options.json && !report.passed) {
      console.log(describe(report));
    }
    reports.push(report);
  }
  const passed = reports.filter((report) => report.passed).length;
  const failed = reports.length - passed;
  if (options.json) {
    console.log(JSON.stringify({ passed, failed, files: reports }, undefined, 2));
  } else {
    const counts = `${passed} passed, ${failed} failed`;
    concludeWith(counts);
    console.log(counts);
  }
  if (reports.some((report) => report.error !== undefined)) {
    return ExitCode.usage;
  }
  return failed === 0 ? ExitCode.ok : ExitCode.checkFailed;
}
