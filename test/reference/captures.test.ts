/** Sends captures through a datapath, and compares each verdict with that of the reference. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import type { PacketVerdict } from '../../src/workers/datapath/verdict-view.ts';
import { fixtureCaptures, sharedCaptures, type RecordedCapture } from '../support/fixtures.ts';

/** Sends a capture through an empty datapath, all at one time. @returns the verdicts in the order of the packets */
async function verdictsOn(datapath: Datapath<number>, frames: readonly Uint8Array[]): Promise<string[]> {
  const verdicts = frames.map(() => 'no verdict');
  const note = ({ tag, stateText }: PacketVerdict<number>) => {
    verdicts[tag!] = verdicts[tag!] === 'no verdict' ? stateText : 'two verdicts';
  };
  datapath.on('verdict', note);
  for (const [number, frame] of frames.entries()) {
    await datapath.push(frame, { timeMs: 0, tag: number });
  }
  await datapath.drain();
  datapath.off('verdict', note);
  return verdicts;
}

/** Lists the packets with another verdict than the recorded one. */
function differences(recorded: RecordedCapture, verdicts: readonly string[]): string[] {
  return recorded.states.flatMap((state, index) =>
    verdicts[index] === state ? [] : [`packet ${index + 1}: expected ${state}, got ${verdicts[index]}`],
  );
}

const fixtures = await fixtureCaptures();
const shared = await sharedCaptures();

const settings = [
  { collection: 'the fixtures', captures: fixtures, threads: 1, batchSize: 1 },
  { collection: 'the fixtures', captures: fixtures, threads: 1, batchSize: 32 },
  { collection: 'the fixtures', captures: fixtures, threads: 2, batchSize: 1 },
  { collection: 'the fixtures', captures: fixtures, threads: 2, batchSize: 32 },
  { collection: 'the fixtures', captures: fixtures, threads: 4, batchSize: 1 },
  { collection: 'the fixtures', captures: fixtures, threads: 4, batchSize: 32 },
  { collection: 'the whole collection', captures: shared, threads: 1, batchSize: 32 },
  { collection: 'the whole collection', captures: shared, threads: 3, batchSize: 32 },
];

/* Not every machine has the whole collection. */
describe.each(settings.filter(({ captures }) => captures.length > 0))(
  'recorded captures: $collection on $threads threads in batches of $batchSize',
  (setting) => {
    let datapath: Datapath<number>;

    beforeAll(async () => {
      const { threads, batchSize } = setting;
      datapath = await Datapath.start({ threads, batchSize });
    });

    afterAll(() => datapath.stop());

    it.each(setting.captures)('$name gets the recorded verdict on every packet', async (recorded) => {
      /* The reference had a new table for each capture; a flushed one is the same. */
      datapath.conntrack.flush();
      expect(datapath.conntrack.connCount).toBe(0);
      expect(recorded.frames).toHaveLength(recorded.states.length);
      const verdicts = await verdictsOn(datapath, recorded.frames);
      expect(differences(recorded, verdicts)).toEqual([]);
    });
  },
);
