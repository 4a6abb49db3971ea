/** Which counters `regress` asks: all, all but the instructions, or none. */
export const COUNTER_MODES = ['all', 'shared', 'none'] as const;
export type CounterMode = (typeof COUNTER_MODES)[number];
