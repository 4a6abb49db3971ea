/** The process of a soak: `node process.js '<SoakOptions>'`. Prints a line for each interval, then the verdict. */

import { appendFileSync } from 'node:fs';
import type { SoakOptions } from './options.ts';
import { lineOf, summaryOf } from './report.ts';
import { Soak } from './soak.ts';

const options = JSON.parse(process.argv[2]!) as SoakOptions;
const note = (line: unknown) => {
  if (options.json !== undefined) {
    appendFileSync(options.json, `${JSON.stringify(line)}\n`);
  }
};

const soak = await Soak.start(options);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => soak.interrupt());
}
const verdict = await soak.run((figures) => {
  console.log(lineOf(figures));
  note(figures);
});
console.log(summaryOf(verdict));
note(verdict);
process.exit(verdict.isRight ? 0 : 1);
