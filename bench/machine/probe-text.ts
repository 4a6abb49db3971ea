/** The probe in sentences: a line about the machine, and a line that says if its figures cannot be trusted. */

import type { MachineFingerprint, MachineProbe } from './machine.ts';
import type { ProbeReading, ProbeSize } from './probe.ts';
import { busiestText, doubtsAbout, nsText, sizeText, usualNs } from './probe-rules.ts';

/** Two values that differ by less are shown as their mean. */
const SAME_TIMES = 1.25;
/** A ratio to the usual latency is named from here on. */
const NAMED_TIMES = 1.5;

function valuesOf(probe: MachineProbe, of: (reading: ProbeReading) => number | undefined): number[] {
  return [of(probe.before), of(probe.after)].filter((value) => value !== undefined);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** "90 ns", or "90 ns, then 240 ns". */
function pairText(values: readonly number[]): string {
  const isSteady = Math.max(...values) <= SAME_TIMES * Math.min(...values);
  return isSteady ? nsText(mean(values)) : values.map(nsText).join(', then ');
}

function memoryText(probe: MachineProbe): string {
  const values = valuesOf(probe, ({ loadNs }) => loadNs['64M']);
  if (values.length === 0) {
    return 'memory not measured';
  }
  const usual = usualNs('64M', probe.before)!;
  const times = mean(values) / usual;
  const ratio =
    times < NAMED_TIMES
      ? 'as usual'
      : `${times.toFixed(1)} times as slow as usual for a processor of this clock (${nsText(usual)})`;
  return `memory ${pairText(values)} from ${sizeText('64M')}, ${ratio}`;
}

function loadText(probe: MachineProbe, size: ProbeSize): string[] {
  const values = valuesOf(probe, ({ loadNs }) => loadNs[size]);
  return values.length === 0 ? [] : [`${pairText(values)} from ${sizeText(size)}`];
}

function othersText(probe: MachineProbe): string[] {
  const values = valuesOf(probe, ({ runnableOthers }) => runnableOthers);
  if (values.length === 0) {
    return [];
  }
  const most = Math.max(...values);
  const at = probe.before.runnableOthers === most ? probe.before : probe.after;
  return [`${most === 0 ? 'no' : most} other thread${most === 1 ? '' : 's'} running${busiestText(at.busiest)}`];
}

function useText(probe: MachineProbe): string {
  const steal = probe.stealPercent ?? Math.max(...valuesOf(probe, (reading) => reading.stealPercent));
  return [
    ...(Number.isFinite(steal) ? [`steal ${steal.toFixed(1)} %`] : []),
    `load ${probe.before.loadAverage1m.toFixed(1)}`,
    ...othersText(probe),
  ].join(', ');
}

/** What the machine was like, in a line. undefined without a probe. */
export function machineLine({ probe }: Pick<MachineFingerprint, 'probe'>): string | undefined {
  if (probe === undefined) {
    return undefined;
  }
  const caches = (['8M', '1M', '16K'] as const).flatMap((size) => loadText(probe, size));
  const core = [
    `atomic operation ${pairText(valuesOf(probe, ({ atomicNs }) => atomicNs))}`,
    `arithmetic step ${pairText(valuesOf(probe, ({ arithmeticNs }) => arithmeticNs))}`,
  ];
  return `this machine: ${[[memoryText(probe), ...caches].join(', '), core.join(', '), useText(probe)].join('; ')}`;
}

const CONSEQUENCE = 'these figures cannot be trusted, and nothing is concluded from them';

/** Says in a line why figures cannot be trusted. undefined if they can. @param consequence what the reader must know then */
export function doubtLine(doubts: readonly string[], consequence: string = CONSEQUENCE): string | undefined {
  if (doubts.length === 0) {
    return undefined;
  }
  const isOverloaded = doubts[0]!.startsWith('the load was');
  return `${isOverloaded ? 'OVERLOADED' : 'NOT QUIET'}: ${doubts.join('; ')}: ${consequence}`;
}

/** The doubts about a machine as a line. Reports of such a machine fit no law and draw no conclusion. */
export function doubtText(machine: Parameters<typeof doubtsAbout>[0], consequence?: string): string | undefined {
  return doubtLine(doubtsAbout(machine), consequence);
}

/** All lines about the machine, for the head or foot of a report. */
export function probeLines(machine: MachineFingerprint, consequence?: string): string[] {
  return [doubtText(machine, consequence), machineLine(machine)].filter((line) => line !== undefined);
}
