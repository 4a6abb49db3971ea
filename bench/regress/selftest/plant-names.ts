/** What `regress selftest` may build in to make a build slower. */
export const PLANTS = ['idle', 'instructions', 'lock-hold'] as const;
export type Plant = (typeof PLANTS)[number];
