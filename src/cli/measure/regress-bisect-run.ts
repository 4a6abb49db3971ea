/** The work of `ct-bucket regress bisect`. */

import { bisectHeadline, bisectMarkdown, bisectText } from '../../../bench/regress/bisect/bisect-report.ts';
import { ownSubject, projectSubject, runBisect } from '../../../bench/regress/bisect/bisect-run.ts';
import { measuring } from '../../../bench/regress/builds/build-cache.ts';
import { readConfig } from '../../../bench/regress/config.ts';
import { UsageError } from '../../core/errors.ts';
import { concludeWith } from '../../host/command-end.ts';
import { jsonText, OutputFiles } from '../../host/output-files.ts';
import { BISECT_EXIT_CODES } from './regress-outputs.ts';
import { isOfProject, type ProjectSubjectOptions, projectSettings, subjectOf } from './regress-project.ts';
import { measured, say } from './regress-run.ts';

export interface BisectOptions extends ProjectSubjectOptions {
  good: string;
  bad: string;
  case?: string;
  config: string;
  seconds: number;
  seed?: number;
  json?: string;
  markdown?: string;
}

/** The verdict on the whole range may take this part of the time, and at most so long. */
const RANGE_PART = 1 / 5;
const RANGE_SECONDS = 55;

export async function bisectCommand(options: BisectOptions): Promise<void> {
  const subject = chooseSubject(options);
  const files = new OutputFiles({ json: options.json, markdown: options.markdown });
  try {
    files.begin();
    process.exitCode = await measured(() =>
      measuring(say, async () => {
        const { good, bad, seconds, seed = Date.now() % 0x7fffffff } = options;
        const result = await runBisect({ good, bad, subject, seconds, seed, say });
        concludeWith(bisectHeadline(result));
        console.log(bisectText(result));
        files.write({ json: () => jsonText(result), markdown: () => bisectMarkdown(result) });
        return BISECT_EXIT_CODES[result.outcome];
      }),
    );
  } finally {
    files.discard();
  }
}

function chooseSubject(options: BisectOptions) {
  const { case: name, config: file } = options;
  const seconds = Math.ceil(Math.min(RANGE_SECONDS, options.seconds * RANGE_PART));
  if (isOfProject(options)) {
    const cases = name === undefined ? {} : { cases: [name] };
    return projectSubject({ ...projectSettings(options, seconds), ...subjectOf(options), ...cases, say });
  }
  const config = readConfig(file);
  const cases = config.cases.filter((each) => name === undefined || each.name === name);
  if (cases.length === 0) {
    throw new UsageError(`${file} has no case ${name}: there are ${config.cases.map((each) => each.name).join(', ')}`);
  }
  return ownSubject({ ...config, cases, budgetSeconds: Math.min(seconds, config.budgetSeconds) }, say);
}
