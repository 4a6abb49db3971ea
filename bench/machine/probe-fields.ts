/** The schema of a probe in a JSON file. Apart from the probe, so that measurements start without the library of schemas. */

import { anything, count, list, number, object, optional, positive, text } from '../../src/host/file-schema.ts';

const reading = object({
  loadNs: object({
    '16K': optional(positive),
    '1M': optional(positive),
    '8M': optional(positive),
    '64M': optional(positive),
  }),
  atomicNs: positive,
  arithmeticNs: positive,
  stealPercent: optional(number),
  loadAverage1m: count,
  runnableOthers: optional(count),
  busiest: optional(list(object({ name: text, cpuPercent: count }))),
  cacheBytes: optional(object({ l2: optional(positive), l3: optional(positive) })),
  tookMs: count,
});

/** The members of a fingerprint (MachineFingerprint) that the probe adds. Older files have none. */
export const probeFields = {
  loadAverage1m: optional(number),
  machineCores: optional(positive),
  probe: optional(
    object({
      before: reading,
      after: reading,
      stealPercent: optional(number),
      waitedS: optional(count),
    }),
  ),
  doubts: optional(anything),
};
