/** The options of a soak. */

export interface SoakOptions {
  /** Duration in minutes, also as a fraction. */
  minutes: number;
  /** Seed of all random draws. The timing of the threads still differs from run to run. */
  seed: number;
  /** Number of PMDs. */
  threads: number;
  /** Connections that talk at any time. The table can hold more (TABLE_FACTOR). */
  connections: number;
  /** Seconds between two checks. */
  interval: number;
  /** Workers to terminate per minute. */
  kills: number;
  /** Longest time to wait for a quiet machine, in ms. */
  waitQuiet?: number;
  /** File for a line of JSON for each interval, and one for the verdict. */
  json?: string;
}

/** Zones of the soak: one for the datapath's PMDs, the others for the side thread. */
export const SoakZone = {
  datapath: 0,
  ftp: 2,
  flood: 3,
  exhaustion: 4,
  fragments: 5,
  malformed: 6,
  marks: 7,
} as const;
export const LIMITED_ZONES: readonly number[] = [SoakZone.flood, SoakZone.malformed];

/** Capacity of the table per talking connection. Closed connections need it until they expire, and so do the floods. */
export const TABLE_FACTOR = 4;
/** Start of the packets' clock. Its low 32 bits wrap within the first minute. */
export const START_MS: number = 2 ** 32 - 30_000;
