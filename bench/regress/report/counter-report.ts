/** What the counters and the accepted slowdowns say, in lines. */

import type { CaseFinding, PhaseFinding } from '../counters/counter-findings.ts';
import type { RegressResult } from '../run.ts';

/** Most kinds, and most stages, in a line. */
const SHOWN = 3;

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** For example `instructions 2016 -> 2108 a packet (+4.5 %)`. */
function kindsText({ kinds }: PhaseFinding): string {
  return kinds
    .slice(0, SHOWN)
    .map(({ name, before, after, percent }) => {
      const sign = percent < 0 ? '−' : '+';
      return `${name} ${figure(before)} -> ${figure(after)} a packet (${sign}${Math.abs(percent).toFixed(1)} %)`;
    })
    .join(', ');
}

/** For example `; judge: exchange 0 -> 1`. */
function stagesText({ stages }: PhaseFinding): string {
  const shown = stages
    .slice(0, SHOWN)
    .map(({ stage, counter, before, after }) => `${stage}: ${counter} ${figure(before)} -> ${figure(after)}`);
  return shown.length === 0 ? '' : `; by stage: ${shown.join(', ')}`;
}

/** A phase whose cost changed by less than this is not named, in percent. */
const LEAST_PERCENT = 0.1;

function linesOfCase({ case: name, verdict, why, accepted, phases }: CaseFinding): string[] {
  const changed = phases.filter(({ risePercent, fallPercent }) => Math.max(risePercent, fallPercent) >= LEAST_PERCENT);
  const lines = changed.map((phase) => {
    const word = phase.isWorse ? (verdict === 'regressed' ? 'worse' : 'worse, but accepted') : 'changed';
    return `counters of ${name}, ${phase.phase}: ${word}: ${kindsText(phase)}${stagesText(phase)}`;
  });
  return [
    ...lines,
    ...(why === undefined ? [] : [`counters of ${name}: silent: ${why}`]),
    ...(accepted === undefined ? [] : [`counters of ${name}: accepted: ${accepted}`]),
  ];
}

/** Lines about counters and accepted slowdowns. */
export function counterLines({ counters, figures, acceptedNotes = [] }: RegressResult): string[] {
  const cases = counters?.cases ?? [];
  const same = cases.filter(({ verdict }) => verdict === 'fine').map(({ case: name }) => name);
  const accepted = figures.flatMap(({ case: name, gate, name: what, accepted: because }) =>
    because === undefined ? [] : [`accepted: ${name}, ${gate}: ${what}: ${because}`],
  );
  return [
    ...(same.length === 0
      ? []
      : [`both builds run the same compiled code, so there is nothing to measure: ${same.join(', ')}`]),
    ...cases.flatMap(linesOfCase),
    ...accepted,
    ...acceptedNotes,
  ];
}

/** The cases that counters decided, each with the reason of a failure. */
export function decidedCases({ counters }: RegressResult): { name: string; failure?: string }[] {
  return (counters?.cases ?? [])
    .filter(({ verdict }) => verdict !== 'silent')
    .map((each) => ({
      name: each.case,
      ...(each.verdict === 'regressed' ? { failure: linesOfCase(each).join('; ') } : {}),
    }));
}
