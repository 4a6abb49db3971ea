/** Flows of a history: those of odd number are in zone 1; of each four, the last two are translated. */

export const ZONES = 2;
export const zoneOf = (flow: number): number => flow % ZONES;
export const isTranslated = (flow: number): boolean => flow % 4 >= 2;
