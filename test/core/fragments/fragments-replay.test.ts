/** Captures with fragments, tracked by PMDs: the verdicts equal the recorded ones, also those of held fragments. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileChunks, readCapture } from '../../../src/cli/capture/open-capture.ts';
import { FlowSteering } from '../../../src/workers/datapath/flow-steering.ts';
import { Datapath, type DatapathOptions } from '../../../src/workers/datapath/datapath.ts';
import type { PacketVerdict } from '../../../src/workers/datapath/verdict-view.ts';
import { fragmentsOf } from '../../support/fragments.ts';
import { icmpError, reverse, udp } from '../../support/frames.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'fixtures', 'fragment-captures');
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.pcap'))
  .map((file) => file.replace('.pcap', ''));

function lines(file: string): string[] {
  return readFileSync(join(FOLDER, file), 'utf8').trimEnd().split('\n');
}

async function framesOf(name: string): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  for await (const packet of readCapture(fileChunks(join(FOLDER, `${name}.pcap`)))) {
    frames.push(Buffer.from(packet.frame));
  }
  return frames;
}

interface Outcome {
  states: string[];
  late: string[];
  held: number;
}

async function track(frames: readonly Buffer[], options: DatapathOptions): Promise<Outcome> {
  const datapath = await Datapath.start<number>({ steering: 'addresses', ...options });
  const states = frames.map(() => 'no verdict');
  const late: [number, number, string][] = [];
  datapath.on('verdict', ({ tag, stateText }) => {
    states[tag! - 1] = stateText;
  });
  datapath.on('deferred', ({ tag, frame, releasedBy, stateText }) => {
    expect(frame).toHaveLength(frames[tag! - 1]!.length);
    late.push([tag!, releasedBy!, stateText]);
  });
  for (const [index, frame] of frames.entries()) {
    await datapath.push(frame, { timeMs: 0, tag: index + 1 });
  }
  await datapath.stop();
  const held = datapath.conntrack.fragments.status().nfrag;
  datapath.conntrack.close();
  late.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  return { states, late: late.map((entry) => entry.join('\t')), held };
}

describe.each(names)('%s', (name) => {
  it.each([1, 2, 3])('gets the recorded verdicts and late verdicts on %i threads', async (threads) => {
    const { states, late } = await track(await framesOf(name), { threads, batchSize: 1 });
    expect(states).toEqual(lines(`${name}.states`));
    expect(late).toEqual(lines(`${name}.late`));
  });

  it('gets a verdict on every packet that is not held in the end, in large batches too', async () => {
    const { states, late, held } = await track(await framesOf(name), { batchSize: 32 });
    const waiting = states.flatMap((state, index) => (state === '0' ? [String(index + 1)] : []));
    const released = new Set(late.map((line) => line.split('\t')[0]));
    expect(waiting.filter((number) => !released.has(number))).toHaveLength(held);
    expect(late.filter((line) => !waiting.includes(line.split('\t')[0]!))).toEqual([]);
  });
});

describe('steering', () => {
  const ends = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
  const flows = Array.from({ length: 40 }, (_, i) => ({ ...ends, sport: 1000 + i }));
  const workersOf = (steering: FlowSteering, frames: Buffer[]) =>
    new Set(frames.map((frame) => steering.workerOf(frame, 8)));

  it('by addresses keeps fragments with the packets of their flow, and with errors about them', () => {
    const steering = new FlowSteering('addresses');
    const frames = flows.flatMap((flow) => [
      udp(flow),
      udp(reverse(flow)),
      icmpError('10.9.9.9', udp(flow)),
      ...fragmentsOf(udp(flow, Buffer.alloc(3000)), 1, 1200),
    ]);
    expect(workersOf(steering, frames).size).toBe(1);
  });

  it('by flow spreads flows, and brings the fragments of a datagram to one worker', () => {
    const steering = new FlowSteering();
    expect(
      workersOf(
        steering,
        flows.map((flow) => udp(flow)),
      ).size,
    ).toBeGreaterThan(4);
    expect(
      workersOf(
        steering,
        flows.flatMap((flow) => fragmentsOf(udp(flow, Buffer.alloc(3000)), 1, 1200)),
      ).size,
    ).toBe(1);
  });
});

describe('a datagram of many fragments', () => {
  it('comes back whole from a PMD, also where the ring of late packets is full again and again', async () => {
    const datagrams = 60;
    const pieces = Array.from({ length: datagrams }, (_, i) => {
      const ends = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000 + i, dport: 53 };
      return fragmentsOf(udp(ends, Buffer.alloc(64_000)), i + 1, 1208);
    });
    /* The last fragments come together. They release several times as many fragments as the deferred ring holds. */
    const frames = [...pieces.flatMap((each) => each.slice(0, -1)), ...pieces.map((each) => each.at(-1)!)];
    const heldFirst = frames.length - datagrams;
    const datapath = await Datapath.start<number>({ threads: 1 });
    datapath.conntrack.fragments.setMaxFrags(5000);
    const back = new Map<number, string>();
    const note = ({ tag, stateText }: PacketVerdict<number>) => back.set(tag!, stateText);
    datapath.on('verdict', note);
    datapath.on('deferred', note);
    for (const [number, frame] of frames.entries()) {
      await datapath.push(frame, { timeMs: 0, tag: number });
    }
    await datapath.stop();
    expect(heldFirst).toBeGreaterThan(3000);
    expect(back.size).toBe(frames.length);
    expect([...new Set(back.values())]).toEqual(['new|trk']);
    expect(datapath.conntrack.fragments.status().nfrag).toBe(0);
    datapath.conntrack.close();
  });
});
