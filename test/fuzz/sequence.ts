/** Sequences of operations on a table, most of them packets. Each is made whole first, so that it can be repeated and shrunk. */

import type { CtActionOptions } from '../../src/core/action.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { ChecksumBit } from '../../src/core/packet/layout.ts';
import { timeoutAttributeNames } from '../../src/core/expiry/timeouts.ts';
import { Conversations, HOSTS_V4, HOSTS_V6, mutated } from './conversations.ts';
import type { Corpus, Story } from './corpus.ts';
import { sealed } from './frames.ts';
import type { Random } from './random.ts';

export interface SentPacket {
  frame: Uint8Array;
  /** ChecksumBit flags. */
  checksums: number;
}

export type Step =
  /** Sends the packets in one batch by the first action, then the packets that come back by each further action. */
  | { op: 'batch'; nowMs: number; packets: SentPacket[]; actions: number[]; clears: boolean }
  | { op: 'sweep'; nowMs: number }
  | { op: 'flush'; zone?: number }
  | { op: 'maxConnections'; limit: number }
  | { op: 'zoneLimit'; zone: number | 'default'; limit: number }
  | { op: 'timeouts'; id: number; name: string; seconds: number }
  | { op: 'zonePolicy'; zone: number; id: number }
  | { op: 'seqChk'; isOn: boolean }
  | { op: 'fragments'; isOn: boolean; maxFrags: number };

export interface Sequence {
  options: Pick<ConntrackOptions, 'reclaim' | 'tableFull' | 'maxConnections' | 'buckets'> & {
    reclaim: 'sweep' | 'lookup-and-sweep';
    tableFull: 'refuse' | 'early-drop';
    maxConnections: number;
    buckets: number;
  };
  /** Whether the table reassembles fragments. */
  reassembles: boolean;
  actions: CtActionOptions[];
  steps: Step[];
}

const BATCHES = 80;
/** Start times, among them times just before the low 32 bits turn negative and before they wrap. */
const STARTS = [0, 1000, 1.7e12, 2 ** 31 - 5000, 2 ** 32 - 5000, -60_000, 12_345.678];
const LEAPS_MS = [1000, 29_999, 30_000, 31_000, 60_000, 120_000, 900_000, 86_400_000, 2 ** 30, 2 ** 31, 2 ** 32];

export function actionOptions(random: Random): CtActionOptions {
  const options: CtActionOptions = { zone: random.pick([0, 0, 0, 1, 7, 65_535]), commit: !random.oneIn(6) };
  if (random.oneIn(10)) {
    options.force = true;
  }
  if (random.oneIn(6)) {
    options.mark = { value: random.edge(32), mask: random.edge(32) };
  }
  if (random.oneIn(6)) {
    options.label = { value: random.next().toString(16), mask: 'f'.repeat(random.below(33)) || '0' };
  }
  if (random.oneIn(8)) {
    options.timeoutPolicy = random.below(4);
  }
  if (random.oneIn(3)) {
    options.helper = random.pick(['ftp', 'ftp', 'tftp', 'other']);
  }
  if (random.oneIn(2)) {
    options.nat = natOptions(random);
  }
  return options;
}

function natOptions(random: Random): NonNullable<CtActionOptions['nat']> {
  if (random.oneIn(3)) {
    return { action: [] };
  }
  const isIpv6 = random.oneIn(4);
  const [first, last] = (isIpv6 ? HOSTS_V6 : HOSTS_V4).slice(3) as [string, string];
  return {
    action: [random.pick(['src', 'dst'] as const)],
    ...(random.oneIn(6) ? {} : { minAddr: first, ...(random.oneIn(2) ? {} : { maxAddr: last }) }),
    ...(random.oneIn(2) ? {} : { minPort: 4000, ...(random.oneIn(2) ? {} : { maxPort: random.pick([4002, 4000]) }) }),
    ...(random.oneIn(4) ? { random: true } : random.oneIn(4) ? { hash: true } : {}),
    ...(random.oneIn(4) ? { persistent: true } : {}),
  };
}

/** Actions for FTP connections with one translation, and for their later packets, all in one zone. */
function ftpActions(random: Random): CtActionOptions[] {
  const zone = random.below(2);
  const isIpv6 = random.oneIn(2);
  const [minAddr] = (isIpv6 ? HOSTS_V6 : HOSTS_V4).slice(random.pick([0, 3]));
  const nat = { action: [random.pick(['src', 'src', 'dst'] as const)], minAddr: minAddr! };
  return [
    { zone, commit: true, helper: 'ftp', nat },
    { zone, commit: true, helper: 'ftp', nat: { action: [] } },
  ];
}

/** Gives the frames of a story from a random place on, and then frames of conversations. */
class Source {
  readonly #random: Random;
  readonly #stories: readonly Story[];
  readonly #conversations: Conversations;
  readonly #breaksOneIn: number;
  #story: Story | undefined;
  #at = 0;

  constructor(random: Random, stories: readonly Story[], options: { mostlyFtp: boolean }) {
    this.#random = random;
    this.#stories = stories;
    this.#conversations = new Conversations(random, options);
    /* Sequences with few broken packets reach late states of connections; those with many do not. */
    this.#breaksOneIn = random.pick([2, 6, 20, 100, 1e9]);
  }

  /** Begins a story. @returns the actions of its next frames */
  begin(): CtActionOptions[] {
    this.#story = this.#random.pick(this.#stories);
    this.#at = this.#random.oneIn(2) ? 0 : this.#random.below(this.#story.frames.length);
    return this.#story.actions.filter((action) => action !== undefined).slice(this.#at, this.#at + 2);
  }

  next(): SentPacket {
    const random = this.#random;
    let frame: Uint8Array;
    if (this.#story !== undefined && this.#at < this.#story.frames.length) {
      frame = this.#story.frames[this.#at]!.slice();
      /* Sometimes jump to another place of the story, also backwards. */
      this.#at = random.oneIn(20) ? random.below(this.#story.frames.length) : this.#at + 1;
    } else {
      frame = this.#conversations.next();
    }
    if (random.oneIn(this.#breaksOneIn)) {
      frame = random.oneIn(20)
        ? random.bytes(random.below(random.oneIn(10) ? 2000 : 120))
        : mutated(random, frame, this.#conversations.next());
      if (random.oneIn(2)) {
        frame = sealed(frame);
      }
    }
    const { IP_GOOD, IP_BAD, L4_GOOD, L4_BAD } = ChecksumBit;
    const checksums = random.oneIn(3) ? random.pick([IP_GOOD | L4_GOOD, IP_GOOD, L4_GOOD, IP_BAD, L4_BAD]) : 0;
    return { frame, checksums: random.oneIn(4) ? checksums : checksums & (IP_GOOD | L4_GOOD) };
  }
}

function setting(random: Random, { options, reassembles }: Omit<Sequence, 'steps'>, nowMs: number): Step {
  const { maxConnections } = options;
  switch (random.below(reassembles ? 9 : 8)) {
    case 0:
      return random.oneIn(2) ? { op: 'flush' } : { op: 'flush', zone: random.pick([0, 1, 7]) };
    case 1:
      return { op: 'maxConnections', limit: random.pick([0, 1, maxConnections >> 2, maxConnections]) };
    case 2: {
      const zone = random.pick(['default', 0, 1, 7] as const);
      return { op: 'zoneLimit', zone, limit: random.pick([0, 1, 5, 0xfffffffe]) };
    }
    case 3: {
      const name = random.pick(timeoutAttributeNames());
      return { op: 'timeouts', id: random.below(4), name, seconds: random.pick([0, 1, 5, 30, 0xffffffff]) };
    }
    case 4:
      return { op: 'zonePolicy', zone: random.pick([0, 1, 7]), id: random.below(4) };
    case 5:
      return { op: 'seqChk', isOn: random.oneIn(2) };
    case 8:
      return { op: 'fragments', isOn: !random.oneIn(4), maxFrags: random.pick([0, 1, 8, 1000, 5000]) };
    default:
      return { op: 'sweep', nowMs };
  }
}

export function sequence(random: Random, { stories }: Corpus): Sequence {
  const maxConnections = random.pick([4, 24, 64, 256, 256]);
  const options = {
    reclaim: random.pick(['sweep', 'lookup-and-sweep'] as const),
    tableFull: random.oneIn(4) ? ('early-drop' as const) : ('refuse' as const),
    maxConnections,
    buckets: random.pick([1, 2, 8]),
  };
  const reassembles = random.oneIn(2);
  const mostlyFtp = random.oneIn(6);
  const source = new Source(random, stories, { mostlyFtp });
  const actions = mostlyFtp ? ftpActions(random) : random.oneIn(2) ? source.begin() : [];
  while (actions.length < (mostlyFtp ? 2 : 3)) {
    actions.push(actionOptions(random));
  }
  const passesOneIn = random.pick([4, 1e9]);
  const settingsOneIn = random.pick([3, 12, 1e9]);
  const leapsOneIn = random.pick([4, 20, 1e9]);
  let nowMs = random.pick(STARTS);
  const steps: Step[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    if (random.oneIn(settingsOneIn)) {
      steps.push(setting(random, { options, reassembles, actions }, nowMs));
    }
    nowMs += random.oneIn(leapsOneIn) ? random.pick(LEAPS_MS) * (random.oneIn(4) ? -1 : 1) : random.below(50);
    if (random.oneIn(16) && !mostlyFtp) {
      actions.push(...source.begin());
    }
    const first = random.below(actions.length);
    const further = random.oneIn(passesOneIn) ? [random.below(actions.length)] : [];
    steps.push({
      op: 'batch',
      nowMs,
      packets: Array.from({ length: random.oneIn(3) ? 32 : random.between(1, 32) }, () => source.next()),
      actions: [first, ...further],
      clears: random.oneIn(4),
    });
  }
  return { options, reassembles, actions, steps };
}
