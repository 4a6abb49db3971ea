/** What a soak is asked for. */

export interface SoakOptions {
  /** How long, minutes; need not be whole. */
  minutes: number;
  /** Of everything that is drawn; what the threads make of it is not the same twice. */
  seed: number;
  /** PMDs. */
  threads: number;
  /** Connections that are talking at any time; the table is made for some more. */
  connections: number;
  /** Between two lines, s. */
  interval: number;
  /** Workers that are terminated in a minute. */
  kills: number;
  /** A line of JSON for each interval, and one for the verdict. */
  json?: string;
}

/** Zones of the soak: that of the datapath's PMDs, and those of the side thread. */
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

/** Room for each talking connection: what it leaves behind until it expires, and the floods. */
export const TABLE_FACTOR = 4;
/** Before the low 32 bits of the clock turn round, which they do within the first minute. */
export const START_MS: number = 2 ** 32 - 30_000;
