/** The grammar of the control commands: inputs and their answers, as in Open vSwitch's dpctl. */

import { beforeEach, describe, expect, it } from 'vitest';
import { Conntrack } from '../../src/core/conntrack.ts';
import { UsageError } from '../../src/core/errors.ts';
import { allocateWords } from '../../src/shared/access.ts';
import type { CommandContext } from '../../src/workers/control/command.ts';
import { replyTo, COMMANDS } from '../../src/workers/control/commands.ts';
import { EventHub } from '../../src/workers/control/event-hub.ts';
import { statusWords } from '../../src/workers/threads/status.ts';
import { tcp, udp } from '../support/frames.ts';
import { send } from '../support/tracking.ts';

let ct: Conntrack;
let context: CommandContext;

beforeEach(() => {
  ct = new Conntrack({ buckets: 4, maxConnections: 1000, maxParticipants: 2 });
  send(ct, udp({ src: '10.1.1.1', dst: '10.1.1.2', sport: 1, dport: 53 }), 0, { commit: true, zone: 5 });
  send(ct, tcp({ src: '10.1.1.1', dst: '10.1.1.2', sport: 1, dport: 80 }, { flags: 'S', seq: 1 }), 0, { commit: true });
  const share = {
    memory: ct.memory,
    status: allocateWords(statusWords(1)),
    clock: 'packets' as const,
    threads: 1,
  };
  context = {
    conntrack: ct,
    share,
    events: new EventHub(ct),
    nowMs: () => 0,
    json: false,
    more: false,
    statistics: false,
    /* `events` runs until its listener disconnects: this signal says that it already has. */
    signal: AbortSignal.abort(),
  };
});

/** Runs a command line, split at spaces. @returns its output, or "error: ..." */
async function answer(line: string): Promise<string> {
  const [command, ...args] = line.split(' ');
  return answerTo(command!, args);
}

async function answerTo(command: string, args: string[]): Promise<string> {
  let text = '';
  try {
    for await (const piece of replyTo(command, context, args)) {
      text += piece;
    }
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    expect(error.message).not.toContain('\n');
    return `error: ${error.message}`;
  }
  return text.trimEnd();
}

/** Valid arguments of each command that needs some. */
const ARGUMENTS: Record<string, string> = {
  'dump-conntrack': 'zone=5',
  'flush-conntrack': 'zone=5',
  'dump-conntrack-exp': 'zone=5',
  'ct-stats-show': 'zone=5',
  'ct-bkts': 'gt=1',
  'ct-set-maxconns': '10',
  'ct-set-sweep-interval': '10',
  'ct-set-limits': 'default=3 zone=1,limit=2',
  'ct-del-limits': 'default zone=1,2',
  'ct-get-limits': 'zone=1,2',
  'ipf-set-enabled': 'v4',
  'ipf-set-disabled': 'v6',
  'ipf-set-min-frag': 'v4 500',
  'ipf-set-max-nfrags': '500',
  'ct-set-timeout-policy': '5 udp_first=10',
  'ct-del-timeout-policy': '5',
  'ct-get-timeout-policy': '0',
  'ct-set-zone-timeout-policy': 'zone=5 5',
  'ct-del-zone-timeout-policy': 'zone=5',
  'ct-get-zone-timeout-policy': 'zone=5',
  events: 'zone=5',
};

describe('the name of the datapath', () => {
  describe.each(Object.keys(COMMANDS))('before the arguments of %s', (command) => {
    const args = (ARGUMENTS[command] ?? '').split(' ').filter((arg) => arg !== '');

    beforeEach(async () => {
      ct.setTimeoutPolicy(5, { udp_first: 3 });
      if (command === 'ct-del-zone-timeout-policy' || command === 'ct-get-zone-timeout-policy') {
        ct.setZoneTimeoutPolicy(5, 5);
      }
    });

    it.each(['netdev@ovs-netdev', 'system@ovs-system', 'ovs-system'])('is accepted if it is %s', async (name) => {
      expect(await answerTo(command, [name, ...args])).not.toMatch(/^error/);
    });

    it('is named in the error if there is no such datapath', async () => {
      const said = `error: ${command}: there is no datapath 'netdev@br0'; there is only one: leave the name out, or give netdev@ovs-netdev`;
      expect(await answerTo(command, ['netdev@br0', ...args])).toBe(said);
      expect(await answerTo(command, ['netdev@br0'])).toBe(said);
    });
  });

  it('does not change the answer', async () => {
    const dump = await answer('dump-conntrack zone=5');
    expect(dump).toContain('zone=5');
    expect(await answer('dump-conntrack netdev@ovs-netdev zone=5')).toBe(dump);
    await answer('flush-conntrack netdev@ovs-netdev zone=5');
    expect(await answer('dump-conntrack system@ovs-system zone=5')).toBe('');
    expect(await answer('ct-get-nconns ovs-system')).toBe('1');
  });

  it.each([
    [
      'dump-conntrack zone=5 netdev@ovs-netdev',
      "the name of the datapath must be the first argument: 'netdev@ovs-netdev' is not",
    ],
    [
      'ct-get-nconns netdev@ovs-netdev netdev@ovs-netdev',
      "unexpected argument 'netdev@ovs-netdev' after the datapath's name",
    ],
    ['ct-get-nconns system@', "there is no datapath 'system@'; there is only one"],
    ['ct-get-nconns netdev@ovs-netdev 5', "unexpected argument '5'"],
    ['ct-set-maxconns netdev@ovs-netdev', 'maxconns missing'],
    ['ct-set-limits netdev@ovs-netdev', 'too few arguments'],
    ['ct-del-limits netdev@ovs-netdev', 'too few arguments'],
  ])('in the wrong place, or without the arguments that must follow, is an error: %s', async (line, says) => {
    expect(await answer(line)).toContain(says);
    expect(await answer(line)).toMatch(/^error: /);
  });

  it('is explained in the list of commands', async () => {
    const list = await answer('list-commands');
    expect(list.replaceAll(/\s+/g, ' ')).toContain('netdev@ovs-netdev or system@ovs-system');
  });
});

describe('zone limits', () => {
  /** The answer of `ct-get-limits zone=1,2,8` without limits. Each test starts so, and then shows its limits by that command. */
  const NONE = 'default limit=0\nzone=1,limit=0,count=0\nzone=2,limit=0,count=0\nzone=8,limit=0,count=0';
  it.each<[args: string, answer: RegExp | '', limits?: string]>([
    ['default=4294967295', '', 'default limit=4294967295\nzone=1,limit=4294967295,count=0'],
    ['default=4294967294', '', 'default limit=4294967294'],
    ['default=0', '', NONE],
    ['default=007', '', 'default limit=7'],
    ['zone=1,limit=4294967295', '', 'zone=1,limit=4294967295,count=0\nzone=2,limit=0'],
    ['zone=1,limit=4294967294', '', 'zone=1,limit=4294967294,count=0'],
    ['zone=0x2,limit=0x10', '', 'zone=2,limit=16,count=0'],
    ['zone=0X2,limit=0xFFFFFFFF', '', 'zone=2,limit=4294967295,count=0'],
    ['zone=010,limit=017', '', 'zone=8,limit=15,count=0'],
    ['limit=3,zone=1', '', 'zone=1,limit=3'],
    ['default=9 zone=1,limit=0 zone=2,limit=5', '', 'default limit=9\nzone=1,limit=0,count=0\nzone=2,limit=5'],
    ['zone=1,limit=3 zone=1,limit=4', '', 'zone=1,limit=4'],
    ['', /too few arguments/],
    ['default=', /invalid default limit ''/],
    ['default=-1', /invalid default limit '-1'; .* from 0 to 4294967295$/],
    ['default=0x10', /invalid default limit/],
    ['default=4294967296', /invalid default limit '4294967296'; it must be a whole number from 0 to 4294967295$/],
    ['default=1e3', /invalid default limit/],
    ['zone=1,limit=5 default=4294967295', /invalid zone limit field 'default'/],
    ['default=5 default=6', /invalid zone limit field 'default'/],
    ['zone=1,limit=4294967296', /invalid limit '4294967296'/],
    ['zone=1,limit=0x100000000', /invalid limit '0x100000000'/],
    ['zone=1,limit=-1', /invalid limit '-1'/],
    ['zone=1,limit=09', /invalid limit '09'/],
    ['zone=1,limit=5 zone=2,limit=4294967296', /invalid limit/],
    ['zone=65536,limit=1', /invalid zone '65536'/],
    ['zone=0x10000,limit=1', /invalid zone '0x10000'/],
    ['zone=1', /failed to parse zone limit/],
    ['limit=1', /failed to parse zone limit/],
    ['zone=1,limit=', /field limit missing value/],
    ['zone=1,limit', /field limit missing value/],
    ['zone=1,,limit=1', /invalid zone limit field ''/],
    ['zone=1,limit=1=2', /invalid limit '1=2'/],
    ['zone=1,limt=1', /invalid zone limit field 'limt'/],
  ])('ct-set-limits %s', async (args, says, limits = NONE) => {
    const text = await answerTo('ct-set-limits', args === '' ? [] : args.split(' '));
    if (says === '') {
      expect(text).toBe('');
    } else {
      expect(text).toMatch(/^error: ct-set-limits: /);
      expect(text).toMatch(says);
    }
    /* A line that is refused sets no limit at all. */
    expect(await answer('ct-get-limits zone=1,2,8')).toContain(limits);
  });

  it('ct-set-limits takes a zone and its limit in one quoted argument with a space between', async () => {
    expect(await answerTo('ct-set-limits', ['zone=1 limit=2'])).toBe('');
    expect(await answer('ct-get-limits zone=1')).toBe('default limit=0\nzone=1,limit=2,count=0');
  });

  it('beyond the size of the table are never reached, neither that of a zone nor the default', async () => {
    await answer('ct-set-limits default=4294967295 zone=7,limit=4294967295');
    for (const zone of [6, 7]) {
      for (let sport = 1; sport <= 300; sport++) {
        send(ct, udp({ src: '10.1.1.1', dst: '10.1.1.2', sport, dport: 53 }), 0, { commit: true, zone });
      }
    }
    expect(await answer('ct-get-limits zone=6,7')).toBe(
      'default limit=4294967295\nzone=6,limit=4294967295,count=300\nzone=7,limit=4294967295,count=300',
    );
    await answer('ct-set-limits zone=7,limit=300');
    send(ct, udp({ src: '10.1.1.1', dst: '10.1.1.2', sport: 301, dport: 53 }), 0, { commit: true, zone: 7 });
    expect(await answer('ct-get-limits zone=7')).toContain('zone=7,limit=300,count=300');
    await answer('ct-del-limits zone=7');
    expect(await answer('ct-get-limits')).toBe('default limit=4294967295');
  });

  it.each<[line: string, answer: string]>([
    ['ct-get-limits', 'default limit=9\nzone=1,limit=3,count=0\nzone=2,limit=4,count=0'],
    ['ct-get-limits zone=2', 'default limit=9\nzone=2,limit=4,count=0'],
    ['ct-get-limits zone=0x2', 'default limit=9\nzone=2,limit=4,count=0'],
    ['ct-get-limits zone=2,1', 'default limit=9\nzone=2,limit=4,count=0\nzone=1,limit=3,count=0'],
    ['ct-get-limits zone=', 'error: ct-get-limits: zone= has no value; it must be zone=ZONE[,ZONE]...'],
    ['ct-get-limits zone=,', "error: ct-get-limits: a zone is missing in 'zone=,'; it must be zone=ZONE[,ZONE]..."],
    [
      'ct-get-limits zone=1,,2',
      "error: ct-get-limits: a zone is missing in 'zone=1,,2'; it must be zone=ZONE[,ZONE]...",
    ],
    ['ct-get-limits zone=1,', "error: ct-get-limits: a zone is missing in 'zone=1,'; it must be zone=ZONE[,ZONE]..."],
    ['ct-get-limits zone=1 zone=2', "error: ct-get-limits: unexpected argument 'zone=2'"],
    ['ct-get-limits 1', "error: ct-get-limits: invalid argument '1'; it must be zone=ZONE[,ZONE]..."],
    ['ct-get-limits zone=1x', "error: ct-get-limits: invalid zone '1x'; it must be a whole number from 0 to 65535"],
    ['ct-del-limits zone=1', ''],
    ['ct-del-limits default', ''],
    ['ct-del-limits default zone=1,2', ''],
    ['ct-del-limits zone=', 'error: ct-del-limits: zone= has no value; it must be zone=ZONE[,ZONE]...'],
    ['ct-del-limits default zone=', 'error: ct-del-limits: zone= has no value; it must be zone=ZONE[,ZONE]...'],
    [
      'ct-del-limits zone=1,,2',
      "error: ct-del-limits: a zone is missing in 'zone=1,,2'; it must be zone=ZONE[,ZONE]...",
    ],
    ['ct-del-limits zone=1 default', "error: ct-del-limits: unexpected argument 'default'"],
    ['ct-del-limits defaults', "error: ct-del-limits: invalid argument 'defaults'; it must be zone=ZONE[,ZONE]..."],
    ['ct-del-limits default=1', "error: ct-del-limits: invalid argument 'default=1'; it must be zone=ZONE[,ZONE]..."],
  ])('%s', async (line, says) => {
    await answer('ct-set-limits default=9 zone=1,limit=3 zone=2,limit=4');
    const before = await answer('ct-get-limits');
    expect(await answer(line)).toBe(says);
    if (says.startsWith('error')) {
      expect(await answer('ct-get-limits')).toBe(before);
    }
  });
});

describe('zones and numbers', () => {
  it.each<[line: string, answer: RegExp]>([
    ['dump-conntrack zone=', /^error: dump-conntrack: .*zone/],
    ['dump-conntrack-exp zone=', /^error: dump-conntrack-exp: zone= has no value; it takes zone=ZONE$/],
    ['dump-conntrack-exp zone=0x5', /^$/],
    ['ct-stats-show zone=', /^error: ct-stats-show: zone= has no value/],
    ['ct-stats-show verbose', /Total: 2\n {2}TCP: 1\n {4}Conn per TCP states:/],
    ['ct-stats-show verbose zone=5', /Total: 1\n {2}UDP: 1$/],
    ['ct-stats-show zone=5 verbose', /Total: 1\n {2}UDP: 1$/],
    ['ct-stats-show zone=0x5', /Total: 1\n/],
    ['ct-bkts gt=', /^error: ct-bkts: unexpected argument 'gt='; it takes gt=THRESHOLD$/],
    ['events zone=', /^error: events: zone= has no value/],
    ['ct-set-maxconns 4294967296', /^error: ct-set-maxconns: maxconns malformed/],
    ['ct-set-maxconns 10x', /^error: ct-set-maxconns: maxconns malformed: '10x'/],
    ['ct-set-sweep-interval 0', /^error/],
    ['ipf-set-min-frag v4', /^error: ipf-set-min-frag: minimum fragment size missing/],
    ['ipf-set-min-frag 500 v4', /^error: ipf-set-min-frag: '500' is no address family/],
    ['ct-get-zone-timeout-policy zone=', /^error: ct-get-zone-timeout-policy: zone= has no value/],
    ['ct-set-zone-timeout-policy zone= 5', /^error: ct-set-zone-timeout-policy: zone= has no value/],
  ])('%s', async (line, says) => {
    expect(await answer(line)).toMatch(says);
  });
});
