/** Flows of a history: odd numbers are in zone 1, and the last two of each four are translated. */

export const ZONES = 2;
export const zoneOf = (flow: number): number => flow % ZONES;
export const isTranslated = (flow: number): boolean => flow % 4 >= 2;
