/** The tables of `bench rate`, for all forms of the report. */

import { median } from '../statistics/statistics.ts';
import { groups, mega, short } from './format.ts';
import type { RateFigures, RateTrialFigures } from './results-file.ts';
import type { ReportTable } from './table-text.ts';

function latencyText(samples: readonly RateTrialFigures[]): string {
  if (samples.length === 0) {
    return '–';
  }
  const us = (value: (trial: RateTrialFigures) => number) => short(median(samples.map(value)));
  return [us((each) => each.latencyUs.p50), us((each) => each.latencyUs.p99), us((each) => each.latencyUs.p999)].join(
    ' / ',
  );
}

function rangeText({ highestPps }: RateFigures): string {
  const found = highestPps.filter((pps) => pps !== null);
  return found.length === 0 ? '–' : `${mega(Math.min(...found))}-${mega(Math.max(...found))}`;
}

function highestRateTable(rates: readonly RateFigures[]): ReportTable {
  return {
    title: 'Highest rate without loss',
    head: ['profile', 'engine', 'threads', 'flows', 'Mpps', 'range of Mpps', 'new conn./s'],
    rows: rates.map((rate) => ({
      cells: [
        rate.profile,
        rate.engine,
        String(rate.threads),
        groups(rate.flows),
        rate.medianHighestPps === undefined ? '–' : mega(rate.medianHighestPps),
        rangeText(rate),
        rate.medianConnectionsPerS === undefined ? '' : groups(Math.round(rate.medianConnectionsPerS)),
      ],
    })),
  };
}

function latencyTable(rates: readonly RateFigures[]): ReportTable {
  const shares = rates[0]!.atShares.map(({ share }) => `at ${share * 100} %`);
  return {
    title: 'Latency at shares of that rate, µs (p50 / p99 / p99.9)',
    head: ['profile', 'engine', 'threads', 'flows', ...shares],
    rows: rates.map(({ profile, engine, threads, flows, atShares }) => ({
      cells: [profile, engine, String(threads), groups(flows), ...atShares.map(({ samples }) => latencyText(samples))],
    })),
  };
}

/** The best trial of each run at the rate that was asked for. */
function wantedTable(rates: readonly RateFigures[]): ReportTable {
  return {
    title: 'At the rate that was asked for: packets lost, and latency in µs (p50 / p99 / p99.9)',
    head: ['profile', 'engine', 'threads', 'flows', 'Mpps', 'lost', 'latency'],
    rows: rates.map(({ profile, engine, threads, flows, wanted }) => {
      const best = wanted!.runs.map((trials) => trials.reduce((a, b) => (b.dropped < a.dropped ? b : a)));
      const lost = median(best.map(({ dropped, offered }) => dropped / offered));
      return {
        cells: [
          profile,
          engine,
          String(threads),
          groups(flows),
          mega(wanted!.pps),
          `${short(lost * 100)}\u00a0%`,
          latencyText(best),
        ],
      };
    }),
  };
}

/** The tables of a search. None if there was no search. */
export function searchTables(rates: readonly RateFigures[]): ReportTable[] {
  const searched = rates.filter(({ atShares }) => atShares.length > 0);
  return searched.length === 0 ? [] : [highestRateTable(searched), latencyTable(searched)];
}

/** All tables. */
export function rateTables(rates: readonly RateFigures[]): ReportTable[] {
  const wanted = rates.filter((rate) => rate.wanted !== undefined);
  return [...searchTables(rates), ...(wanted.length === 0 ? [] : [wantedTable(wanted)])];
}
