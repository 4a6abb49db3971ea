/** The releases of Node on which CI tests, and their ends of life. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { NODE_RELEASES } from '../../bench/runtimes/packages.ts';

interface Release {
  /** Date of the end of life: 2026-04-30. */
  end: string;
}

const schedulePath = createRequire(import.meta.url).resolve(
  'node-releases/data/release-schedule/release-schedule.json',
);
const schedule = JSON.parse(readFileSync(schedulePath, 'utf8')) as Record<string, Release>;

export function majorOf(version: string): number {
  return Number(/^v?(\d+)/.exec(version)![1]);
}

/** The day on which a release reaches its end of life: 2026-04-30. @throws Error if the Node project has no such release */
export function endOfLife(major: number): string {
  const release = schedule[`v${major}`];
  if (release === undefined) {
    throw new Error(`the package node-releases knows no Node ${major}`);
  }
  return release.end;
}

export function isPastEndOfLife(major: number, today: Date): boolean {
  return today.toISOString().slice(0, 10) > endOfLife(major);
}

/**
 * The release that is tested beside the running one: the newest, or the oldest if the newest runs.
 * @param engines the range of package.json: >=20.19
 */
export function otherRelease(running: number, engines: string): string {
  const newest = NODE_RELEASES.at(-1)!;
  return running === newest ? `node${engines.replace(/^>=/, '')}` : `node${newest}`;
}
