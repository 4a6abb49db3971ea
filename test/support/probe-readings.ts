/** Readings of the probe, and machines with them, as on hosts that were met. */

import type { MachineFingerprint } from '../../bench/machine/machine.ts';
import type { ProbeReading } from '../../bench/machine/probe.ts';

const MIB = 2 ** 20;

/** Figures that every system gives. */
export const BARE: ProbeReading = { loadNs: {}, atomicNs: 8.7, arithmeticNs: 1.08, loadAverage1m: 0.1, tookMs: 120 };

/** A quiet machine of 3.7 GHz with 1 MB and 32 MB of cache. */
export const QUIET: ProbeReading = {
  ...BARE,
  loadNs: { '16K': 1.7, '1M': 9, '8M': 16, '64M': 90 },
  stealPercent: 0,
  runnableOthers: 0,
  busiest: [],
  cacheBytes: { l2: MIB, l3: 32 * MIB },
};

/** The same machine while other guests of its host keep memory and caches busy. */
export const SLOW_MEMORY: ProbeReading = { ...QUIET, loadNs: { '16K': 1.7, '1M': 20, '8M': 205, '64M': 262 } };

export function machineWith(before?: ProbeReading, after: ProbeReading | undefined = before): MachineFingerprint {
  return {
    cpu: 'Example CPU',
    cores: 2,
    machineCores: 2,
    memoryBytes: 8 * 2 ** 30,
    kernel: '6.1',
    node: 'v20.0.0',
    v8: '11.3',
    nodeOptions: '',
    flags: [],
    loadAverage1m: before?.loadAverage1m ?? 0.1,
    ...(before === undefined ? {} : { probe: { before, after: after!, stealPercent: 0 } }),
  };
}
