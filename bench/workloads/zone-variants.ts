/** Workloads whose variant is a number of zones: `16`, or `own-16` if each thread has as many zones of its own. */

import { MAX_CONNECTIONS } from '../../src/core/memory/table-options.ts';

/** Zones that connections may lie in. The zones from here on stay empty. */
export const FIRST_EMPTY_ZONE = 60_000;

export interface ZoneChoice {
  zones: number;
  /** Each thread has as many zones of its own. Otherwise all threads use the same ones. */
  isOwn: boolean;
}

export function zoneVariant({ zones, isOwn }: ZoneChoice): string {
  return `${isOwn ? 'own-' : ''}${zones}`;
}

/** @returns undefined if this is no variant of such a workload */
export function zoneChoice(variant: string): ZoneChoice | undefined {
  const [, own, zones] = /^(own-)?([1-9]\d{0,4})$/.exec(variant) ?? [];
  return zones === undefined ? undefined : { zones: Number(zones), isOwn: own !== undefined };
}

const inGroups = (value: number) => value.toLocaleString('en-US');

/** Why the zones or the connections are too many, as a line for the user. undefined: they are not. */
export function zoneLimit(work: { zones: number; connections: number }): string | undefined {
  const { zones, connections } = work;
  if (zones >= FIRST_EMPTY_ZONE) {
    return `${inGroups(zones)} zones of all threads are too many, at most ${inGroups(FIRST_EMPTY_ZONE - 1)}: use fewer --zones`;
  }
  return connections > MAX_CONNECTIONS
    ? `${inGroups(connections)} connections in ${inGroups(zones)} zone${zones === 1 ? '' : 's'} do not fit into a table, which holds at most ` +
        `${inGroups(MAX_CONNECTIONS)}: use fewer --connections or --zones`
    : undefined;
}
