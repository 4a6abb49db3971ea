/** Scenario files as `verify` runs them: the result is the first difference, or an error with the number of the line. */

import { ENGINES } from '../../../src/core/engines/engine.ts';
import { runScenario, type ScenarioOptions } from '../../../src/cli/verify/scenario.ts';
import { expectComplaint } from '../complaints.ts';
import { type Corpus, loadCorpus } from '../corpus.ts';
import type { Random } from '../random.ts';
import { Finding, type Tally, type Target, withoutParts } from '../target.ts';
import { mutatedJson, mutatedText } from '../text.ts';

interface ScenarioInput {
  lines: string[];
  options: ScenarioOptions;
}

const MAX_LINES = 40;

let files: string[][] = [];

function generate(random: Random): ScenarioInput {
  const file = random.pick(files);
  const start = random.oneIn(3) ? 0 : random.below(Math.max(1, file.length - MAX_LINES));
  const lines = [file[0]!, ...file.slice(1 + start, 1 + start + random.between(1, MAX_LINES))];
  for (let changes = random.between(1, 3); changes > 0; changes--) {
    const at = random.oneIn(12) ? 0 : random.below(lines.length);
    switch (random.below(8)) {
      case 0:
        lines[at] = mutatedText(random, lines[at] ?? '');
        break;
      case 1:
        lines.splice(at, 0, random.pick(random.pick(files)));
        break;
      case 2:
        lines.splice(at, 1);
        break;
      default:
        try {
          lines[at] = JSON.stringify(mutatedJson(random, JSON.parse(lines[at] ?? '{}'))) ?? '';
        } catch {
          /* An earlier change has broken this line: it stays broken. */
        }
    }
  }
  const reclaim = random.pick(['sweep', 'lookup-and-sweep'] as const);
  return { lines, options: { reclaim, engine: random.pick(ENGINES) } };
}

function run({ lines, options }: ScenarioInput, tally: Tally): number {
  try {
    const { difference, packets } = runScenario(lines.join('\n'), options);
    tally.add(difference === undefined ? 'agree' : 'differ');
    tally.add('packets', packets);
  } catch (error) {
    expectComplaint(error);
    if (!/^line \d+: /.test((error as Error).message)) {
      throw new Finding(`a complaint without its line: ${(error as Error).message}`);
    }
    tally.add('complaints');
  }
  return 1;
}

export const scenarios: Target<ScenarioInput> = {
  name: 'scenarios',
  about: 'scenario files for `verify`, with changed lines and members',
  weight: 1,
  prepare: async (options) => {
    const { scenarios: found }: Corpus = await loadCorpus(options);
    files = found.map(({ bytes }) => new TextDecoder().decode(bytes).trimEnd().split('\n'));
  },
  generate,
  run,
  shrink: function* ({ lines, options }) {
    for (const fewer of withoutParts(lines.slice(1))) {
      yield { lines: [lines[0]!, ...fewer], options };
    }
  },
};
