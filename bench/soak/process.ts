/** The process of a soak. `node process.js '<SoakOptions>'` prints a line for each interval, then the verdict. */

import { appendFileSync } from 'node:fs';
import { concludeWith, guardProcess } from '../../src/host/command-end.ts';
import { stopOnSignals } from '../../src/host/signals.ts';
import { machineFingerprint } from '../machine/machine.ts';
import { probeLines } from '../machine/probe-text.ts';
import { MachineWatch } from '../machine/watch.ts';
import type { SoakOptions } from './options.ts';
import { lineOf, sentenceOf, summaryOf } from './report.ts';
import { Soak } from './soak.ts';

guardProcess();
const options = JSON.parse(process.argv[2]!) as SoakOptions;
const isJsonPrinted = options.json === '-';
const print = (text: string): void => (isJsonPrinted ? console.error(text) : console.log(text));
const note = (line: unknown): void => {
  if (isJsonPrinted) {
    console.log(JSON.stringify(line));
  } else if (options.json !== undefined) {
    appendFileSync(options.json, `${JSON.stringify(line)}\n`);
  }
};

const { stop } = stopOnSignals();
const watch = await MachineWatch.begin(options, { signal: stop.signal });
const soak = await Soak.start(options);
stop.signal.addEventListener('abort', () => soak.interrupt());
if (stop.signal.aborted) {
  soak.interrupt();
}
const verdict = await soak.run((figures) => {
  print(lineOf(figures));
  note(figures);
});
const machine = watch.end(machineFingerprint());
concludeWith(sentenceOf(verdict));
print(probeLines(machine, 'the speeds cannot be trusted. Invariants and memory do not depend on it').join('\n'));
print(summaryOf(verdict));
note({ ...verdict, machine });
process.exit(verdict.isRight ? 0 : 1);
