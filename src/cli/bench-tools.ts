/** `ct-bucket bench compare` and `ct-bucket bench peer`. */

import { compareFiles, type CompareOptions } from '../../bench/compare.ts';
import { measurePeer, type PeerOptions } from '../../bench/peer.ts';
import { printReport, requireReportsWritable, writeReports, type ReportFiles } from '../../bench/report/report.ts';
import { UsageError } from '../core/errors.ts';
import { ExitCode } from './exit-code.ts';

export function runCompare(files: readonly string[], options: CompareOptions = {}): ExitCode {
  return withUsage(() => compareFiles(files, options));
}

export function runPeer(options: PeerOptions & ReportFiles): ExitCode {
  return withUsage(() => {
    const { json, markdown, html, ...peer } = options;
    const files: ReportFiles = { ...(json && { json }), ...(markdown && { markdown }), ...(html && { html }) };
    requireReportsWritable(files);
    const results = measurePeer(peer);
    printReport(results);
    writeReports(results, files);
  });
}

function withUsage(action: () => void): ExitCode {
  try {
    action();
    return ExitCode.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`ct-bucket: ${error.message}`);
      return ExitCode.usage;
    }
    throw error;
  }
}
