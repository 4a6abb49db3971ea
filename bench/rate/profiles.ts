/** The loads that `bench rate` offers, by name. To add one, add a line. */

import type { FlowShape } from './schedule.ts';

export interface RateProfile {
  /** Shown in help texts and results. */
  description: string;
  /** Flows in the table at any time, if --connections does not say otherwise. */
  flows: number;
  shape: FlowShape;
  /** A question: can this many packets a second be tracked? */
  wantedPps?: number;
}

export const PROFILES = {
  mobile: {
    description: 'Flows of 20 packets. At 4 Mpps 200,000 begin and end every second',
    flows: 1_000_000,
    shape: { kind: 'lives', packets: 20 },
    wantedPps: 4_000_000,
  },
  short: {
    description: 'Flows of a query and an answer: many new connections',
    flows: 1_000_000,
    shape: { kind: 'lives', packets: 2 },
  },
  steady: {
    description: 'Flows that never end, each with the same share of the packets',
    flows: 1_000_000,
    shape: { kind: 'rotation' },
  },
  zipf: {
    description: 'Flows that never end. The k-th has a share proportional to 1/k',
    flows: 1_000_000,
    shape: { kind: 'zipf', exponent: 1 },
  },
} as const satisfies Record<string, RateProfile>;

export type RateProfileName = keyof typeof PROFILES;

export const RATE_PROFILE_NAMES = Object.keys(PROFILES) as RateProfileName[];

export function profileOf(name: RateProfileName): RateProfile {
  return PROFILES[name];
}

/** Packets of each flow. undefined if flows never end. */
export function packetsPerFlow({ shape }: RateProfile): number | undefined {
  return shape.kind === 'lives' ? shape.packets : undefined;
}
