/** Options and arguments of the library: they work, or cause a one-line error. The table goes on working. */

import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { ConnFilter, type ConnFilterOptions } from '../../../src/core/inspect/filter.ts';
import type { ConntrackOptions } from '../../../src/core/memory/table-options.ts';
import { NatAction, type NatOptions } from '../../../src/core/nat/action.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { CtState } from '../../../src/core/packet/layout.ts';
import { timeoutAttributeNames } from '../../../src/core/expiry/timeouts.ts';
import type { Tuple } from '../../../src/core/inspect/tuple.ts';
import { Datapath, type DatapathOptions } from '../../../src/workers/datapath/datapath.ts';
import { MAX_THREADS } from '../../../src/workers/datapath/options.ts';
import { complainsOrWorks, expectComplaint } from '../complaints.ts';
import { Conversations } from '../conversations.ts';
import { Random } from '../random.ts';
import { actionOptions } from '../sequence.ts';
import { Finding, type Tally, type Target } from '../target.ts';
import { mutatedJson, oddValue } from '../text.ts';

interface OptionsInput {
  kind: string;
  value: Record<string, unknown>;
}

const TABLE: ConntrackOptions = {
  engine: 'ct-bucket',
  buckets: 16,
  maxConnections: 1000,
  prefaultConnections: 10,
  reclaim: 'sweep',
  tableFull: 'refuse',
  hashSeed: [1, 2],
  maxParticipants: 2,
  eventCapacity: 64,
};
/** Larger values are valid, but take time and memory. The fuzzer uses them rarely. */
const MOST: Partial<Record<keyof ConntrackOptions, number>> = {
  maxConnections: 100_000,
  prefaultConnections: 5000,
  maxParticipants: 64,
  eventCapacity: 4096,
};
const MOST_THREADS = 4;
const FILTER: ConnFilterOptions = {
  zone: 0,
  mark: { value: 1, mask: 1 },
  label: { value: '1', mask: '1' },
  proto: 6,
  orig: { src: '10.1.1.1', dst: '10.1.1.2', sport: 1, dport: 2, id: 1, type: 8, code: 0 },
  reply: { src: '10.1.1.2' },
  tcpState: 'ESTABLISHED',
  seen: 'replied',
};
const DATAPATH: DatapathOptions = {
  threads: 1,
  batchSize: 32,
  ringBytes: 1 << 20,
  steering: 'flow',
  action: { commit: true },
  checksums: 'verify',
  clock: 'packets',
  sweeper: true,
  ...TABLE,
};
const TUPLE = { src: '10.1.1.1', dst: '10.1.1.2', proto: 6, sport: 1, dport: 2 };
const ICMP_TUPLE = { src: 'fd00::1', dst: 'fd00::2', proto: 58, id: 1, type: 128, code: 0 };

/** Calls on a table, each with valid arguments. */
const CALLS: Record<string, { right: readonly unknown[]; call: (ct: Conntrack, args: never[]) => unknown }> = {
  maxConnections: { right: [100], call: (ct, [limit]) => (ct.maxConnections = limit!) },
  tableFull: { right: ['early-drop'], call: (ct, [how]) => (ct.tableFull = how!) },
  sweepIntervalMs: { right: [500], call: (ct, [ms]) => (ct.sweepIntervalMs = ms!) },
  setZoneLimit: { right: [5, 10], call: (ct, [zone, limit]) => ct.setZoneLimit(zone!, limit!) },
  deleteZoneLimit: { right: [5], call: (ct, [zone]) => ct.deleteZoneLimit(zone!) },
  zoneLimit: { right: ['default'], call: (ct, [zone]) => ct.zoneLimit(zone!) },
  setTimeoutPolicy: { right: [1, { udp_first: 5 }], call: (ct, [id, policy]) => ct.setTimeoutPolicy(id!, policy!) },
  timeoutPolicy: { right: [1], call: (ct, [id]) => ct.timeoutPolicy(id!) },
  deleteTimeoutPolicy: { right: [1], call: (ct, [id]) => ct.deleteTimeoutPolicy(id!) },
  setZoneTimeoutPolicy: { right: [5, 0], call: (ct, [zone, id]) => ct.setZoneTimeoutPolicy(zone!, id!) },
  deleteZoneTimeoutPolicy: { right: [5], call: (ct, [zone]) => ct.deleteZoneTimeoutPolicy(zone!) },
  setMinFragSize: { right: ['v4', 500], call: (ct, [family, bytes]) => ct.fragments.setMinFragSize(family!, bytes!) },
  setMaxFrags: { right: [100], call: (ct, [count]) => ct.fragments.setMaxFrags(count!) },
  flush: { right: [{ zone: 1, filter: FILTER }], call: (ct, [options]) => ct.flush(options!) },
  flushTuple: {
    right: [TUPLE, { nowMs: 5, zone: 1 }],
    call: (ct, [tuple, options]) => ct.flushTuple(tuple! as Tuple, options!),
  },
  flushIcmpTuple: {
    right: [ICMP_TUPLE, { nowMs: 5 }],
    call: (ct, [tuple, options]) => ct.flushTuple(tuple! as Tuple, options!),
  },
  dump: { right: [{ nowMs: 5, zone: 1 }], call: (ct, [options]) => [...ct.dump(options!)] },
  dumpExpectations: { right: [{ zone: 1 }], call: (ct, [options]) => ct.dumpExpectations(options!) },
  stats: { right: [{ nowMs: 5, zone: 1 }], call: (ct, [options]) => ct.stats(options!) },
};
const CALL_NAMES = Object.keys(CALLS);

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** A random selection of the members of some options. */
function someOf(random: Random, options: object): object {
  return Object.fromEntries(Object.entries(options).filter(() => random.oneIn(2)));
}

function generate(random: Random): OptionsInput {
  const mutated = (options: object) =>
    asObject(mutatedJson(random, random.oneIn(2) ? options : someOf(random, options), { isProgram: true }));
  switch (random.below(random.oneIn(60) ? 7 : 6)) {
    case 0: {
      const value = mutated(TABLE);
      for (const [name, most] of Object.entries(MOST)) {
        if (Number(value[name] ?? Number.POSITIVE_INFINITY) > most && Number.isInteger(value[name])) {
          value[name] = random.oneIn(4) ? value[name] : most;
        }
      }
      /* The default of three million would take too long. */
      return { kind: 'table', value: { maxConnections: 1000, ...value } };
    }
    case 1:
      return { kind: 'action', value: mutated(actionOptions(random)) };
    case 2: {
      const nat = {
        action: ['src'],
        minAddr: '10.0.0.1',
        maxAddr: '10.0.0.9',
        minPort: 1,
        maxPort: 9,
        persistent: true,
      };
      return { kind: 'nat', value: mutated(nat) };
    }
    case 3:
      /* Sometimes not an object at all. */
      return {
        kind: 'filter',
        value: random.oneIn(20) ? (oddValue(random, { isProgram: true }) as never) : mutated(FILTER),
      };
    case 4:
    case 5: {
      const name = random.pick(CALL_NAMES);
      const right = structuredClone(CALLS[name]!.right) as unknown[];
      const at = random.below(right.length);
      const argument = right[at];
      right[at] =
        typeof argument === 'object' && argument !== null && !random.oneIn(20)
          ? mutated({
              ...argument,
              ...(name === 'setTimeoutPolicy' ? { [random.pick(timeoutAttributeNames())]: 1 } : {}),
            })
          : oddValue(random, { isProgram: true });
      return { kind: 'call', value: { name, args: right } };
    }
    default: {
      const names = ['threads', 'batchSize', 'ringBytes', 'steering', 'clock', 'checksums', 'action'] as const;
      const value: Record<string, unknown> = {
        ...DATAPATH,
        [random.pick(names)]: oddValue(random, { isProgram: true }),
      };
      /* Many threads are valid, but take half a minute to start from TypeScript. */
      if (Number.isInteger(value['threads']) && (value['threads'] as number) <= MAX_THREADS) {
        value['threads'] = Math.min(value['threads'] as number, MOST_THREADS);
      }
      return { kind: 'datapath', value };
    }
  }
}

let table: Conntrack | undefined;
const batch = PacketBatch.allocate(1 << 16);

/** @throws Finding unless some packets get a verdict, with any settings made before */
function expectAtWork(ct: Conntrack, action: CtAction, seed: number): void {
  const conversations = new Conversations(new Random(seed));
  batch.clear();
  for (let i = 0; i < 4; i++) {
    batch.add(conversations.next());
  }
  ct.execute(batch, action, 1000 + (seed & 0xff));
  for (let i = 0; i < batch.count; i++) {
    if ((batch.state(i) & CtState.TRK) === 0) {
      throw new Finding(`a packet came back with the state ${batch.state(i)}`);
    }
  }
}

function runCall(ct: Conntrack, { value }: OptionsInput): boolean {
  const { name, args } = value as { name: string; args: never[] };
  return complainsOrWorks(() => CALLS[name]!.call(ct, args));
}

async function startsOrComplains(options: DatapathOptions): Promise<boolean> {
  try {
    const datapath = await Datapath.start(options);
    await datapath.stop();
    datapath.conntrack.close();
    return true;
  } catch (error) {
    expectComplaint(error);
    return false;
  }
}

let runs = 0;

async function run(input: OptionsInput, tally: Tally): Promise<number> {
  /* The table keeps the settings of earlier inputs; every 64th input gets a new one. */
  if (table === undefined || runs++ % 64 === 0) {
    table = new Conntrack(TABLE);
  }
  const ct = table;
  const { kind, value } = input;
  let works = false;
  if (kind === 'table') {
    works = complainsOrWorks(() => expectAtWork(new Conntrack(value), new CtAction({ commit: true }), 1));
  } else if (kind === 'action') {
    works = complainsOrWorks(() => expectAtWork(ct, new CtAction(value), runs));
  } else if (kind === 'nat') {
    const options = value as unknown as NatOptions;
    works = complainsOrWorks(() => new NatAction(options));
    complainsOrWorks(() => expectAtWork(ct, new CtAction({ commit: true, nat: options }), runs));
  } else if (kind === 'filter') {
    works = complainsOrWorks(() => [...ct.dump({ nowMs: 1000, filter: new ConnFilter(value) })]);
  } else if (kind === 'call') {
    works = runCall(ct, input);
  } else {
    works = await startsOrComplains(value as DatapathOptions);
  }
  expectAtWork(ct, new CtAction({ commit: true }), runs);
  tally.add(`${kind} ${works ? 'works' : 'refused'}`);
  return 1;
}

export const options: Target<OptionsInput> = {
  name: 'options',
  about: 'options and arguments of the library: Conntrack, CtAction, NAT, filters, settings, Datapath',
  weight: 1,
  generate,
  run,
};
