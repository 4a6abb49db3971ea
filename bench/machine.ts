/** What a result was measured on. Results of different machines are not to be compared. */

import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

export interface MachineFingerprint {
  cpu: string;
  cores: number;
  memoryBytes: number;
  kernel: string;
  node: string;
  v8: string;
  nodeOptions: string;
  loadAverage1m: number;
}

export function machineFingerprint(): MachineFingerprint {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    v8: process.versions.v8,
    nodeOptions: process.env['NODE_OPTIONS'] ?? '',
    loadAverage1m: loadavg()[0]!,
  };
}
