/** `ct-bucket regress accept`: accepts a slowdown, in a committed file. */

import {
  ACCEPTED_FILE,
  acceptedText,
  entriesFor,
  readAccepted,
  withEntries,
} from '../../../bench/regress/verdict/accepted.ts';
import { readResult } from '../../../bench/regress/report/result-file.ts';
import { UsageError } from '../../core/errors.ts';
import { counted } from '../../host/terminal.ts';
import { withOutputFiles } from '../../host/output-files.ts';

export interface AcceptOptions {
  because: string;
  verdict: string;
  accepted?: string;
}

/** Writes the entries of one case of a verdict. @throws UsageError if there is nothing to accept */
export async function acceptCommand(name: string, options: AcceptOptions): Promise<void> {
  const { because, verdict, accepted: path = ACCEPTED_FILE } = options;
  if (because.trim() === '') {
    throw new UsageError("--because is empty: say why the slowdown is accepted: --because 'REASON'");
  }
  const before = readAccepted(path);
  const entries = entriesFor(readResult(verdict), name, because.trim(), new Date().toISOString().slice(0, 10));
  const text = acceptedText(withEntries(before, entries));
  await withOutputFiles({ accepted: path }, (outputs) => outputs.write({ accepted: () => text }));
  for (const { gate, ratio } of entries) {
    console.log(`accepted: ${name}, ${gate}: up to ${((ratio - 1) * 100).toFixed(1)} % slower`);
  }
  console.log(`${path} has ${counted(entries.length, 'new line')}: commit it`);
}
