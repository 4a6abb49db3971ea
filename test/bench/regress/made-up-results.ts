/** Verdicts for tests of what is made of them. */

import { checkConfig } from '../../../bench/regress/config.ts';
import { conclude, type RegressResult } from '../../../bench/regress/run.ts';

export interface MadeUp {
  /** By case: ln(B/A) of all pairs. */
  changes: Record<string, number>;
  pairs?: number;
  /** Name of the figure. */
  figure?: string;
  source?: string;
}

export function resultOf({ changes, pairs: count = 12, figure = 'time', source }: MadeUp): RegressResult {
  const names = Object.keys(changes);
  const gates = { time: { tolerate: 2, alarm: 5 } };
  const cases = names.map((name) => ({ name, workload: 'command', threads: 1, connections: 1000, gates }));
  const config = checkConfig({ budgetSeconds: 55, cases });
  const pairs = Array.from({ length: count }, (_, round) =>
    names.map((name) => ({
      case: name,
      round,
      order: 'ab' as const,
      a: { timesMs: { [figure]: 10 } },
      b: { timesMs: { [figure]: 10 * Math.exp(changes[name]!) } },
    })),
  ).flat();
  return {
    format: 'ct-bucket regress',
    base: { label: 'base' },
    head: { label: 'head' },
    machine: { cpu: 'a processor', cores: 2, node: 'v22.0.0', loadAverage1m: 0.1 } as RegressResult['machine'],
    time: '2026-01-01T00:00:00.000Z',
    seed: 1,
    config,
    pairs,
    ...conclude(config, pairs),
    tookSeconds: 10,
    ...(source === undefined ? {} : { source }),
  };
}
