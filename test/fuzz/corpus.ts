/** Samples from recorded scenarios and captures: stories, which are frames in their order, and whole files. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileChunks, readCapture } from '../../src/cli/capture/open-capture.ts';
import type { CtActionOptions } from '../../src/core/action.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');
const SHARED = join(import.meta.dirname, '..', '..', '..', 'shared');
const MAX_FRAMES_OF_CAPTURE = 200;
const MAX_FRAME_BYTES = 4000;
const MAX_SHARED_FILES = 60;

export interface Story {
  name: string;
  frames: Uint8Array[];
  /** For each frame: the action of the scenario; undefined for captures. */
  actions: (CtActionOptions | undefined)[];
}

/** Whole files, for targets that read files. */
export interface SampleFile {
  name: string;
  bytes: Uint8Array;
}

export interface Corpus {
  stories: Story[];
  scenarios: SampleFile[];
  captures: SampleFile[];
}

/** Files of a folder; none if it does not exist. If there are more than `most`, an even selection of them. */
function filesIn(folder: string, end: string, most = Number.POSITIVE_INFINITY): string[] {
  const all = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(end))
        .toSorted()
    : [];
  const step = Math.max(1, all.length / most);
  return Array.from({ length: Math.min(all.length, most) }, (_, i) => join(folder, all[Math.floor(i * step)]!));
}

function sample(path: string): SampleFile {
  return { name: path, bytes: new Uint8Array(readFileSync(path)) };
}

interface Exec {
  op?: string;
  packets?: ({ hex?: string } | string)[];
  ct?: CtActionOptions;
}

function scenarioStory({ name, bytes }: SampleFile): Story {
  const story: Story = { name, frames: [], actions: [] };
  for (const line of new TextDecoder().decode(bytes).split('\n')) {
    const operation = line === '' ? {} : (JSON.parse(line) as Exec);
    for (const packet of operation.op === 'exec' ? (operation.packets ?? []) : []) {
      if (typeof packet === 'object' && typeof packet.hex === 'string' && packet.hex.length < 2 * MAX_FRAME_BYTES) {
        story.frames.push(Uint8Array.from(Buffer.from(packet.hex, 'hex')));
        story.actions.push(operation.ct);
      }
    }
  }
  return story;
}

async function captureStory({ name }: SampleFile): Promise<Story> {
  const story: Story = { name, frames: [], actions: [] };
  for await (const { frame } of readCapture(fileChunks(name))) {
    if (frame.length <= MAX_FRAME_BYTES) {
      story.frames.push(frame.slice());
      story.actions.push(undefined);
    }
    if (story.frames.length >= MAX_FRAMES_OF_CAPTURE) {
      break;
    }
  }
  return story;
}

let known: { shared: boolean; corpus: Corpus } | undefined;

/** @param options.shared also use the samples of ../shared, if it exists */
export async function loadCorpus(options: { shared: boolean }): Promise<Corpus> {
  if (known?.shared === options.shared) {
    return known.corpus;
  }
  const extra = (folder: string, end: string) =>
    options.shared ? filesIn(join(SHARED, folder), end, MAX_SHARED_FILES) : [];
  const scenarios = [...filesIn(join(FIXTURES, 'vectors'), '.jsonl'), ...extra('vectors', '.jsonl')].map(sample);
  const captures = [
    ...filesIn(join(FIXTURES, 'captures'), '.pcap'),
    ...filesIn(join(FIXTURES, 'fragment-captures'), '.pcap'),
    ...extra('captures', '.pcap'),
  ].map(sample);
  const stories = [...scenarios.map(scenarioStory), ...(await Promise.all(captures.map(captureStory)))];
  known = {
    shared: options.shared,
    corpus: { stories: stories.filter(({ frames }) => frames.length > 0), scenarios, captures },
  };
  return known.corpus;
}
