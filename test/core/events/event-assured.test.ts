/** [ASSURED] in events: where `conntrack -E` prints it. */

import { beforeEach, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { formatEvent } from '../../../src/core/events/event-format.ts';
import type { EventReader } from '../../../src/core/events/event-reader.ts';
import type { EngineName } from '../../../src/core/engines/engine.ts';
import { CT_BUCKET, run } from '../../support/child.ts';
import { capturePath } from '../../support/fixtures.ts';
import { icmp, reverse, tcp, udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';

const ENDS = { src: '10.1.1.1', dst: '10.1.1.2', sport: 1000, dport: 53 };

let ct: Conntrack;
let reader: EventReader;

function start(engine: EngineName = 'ct-bucket'): void {
  ct = new Conntrack({ maxConnections: 10_000, buckets: 4, maxParticipants: 2, engine });
  reader = ct.events();
}

/** Each event: its kind, the TCP state, and the words in brackets after a tuple. */
function told(): string[] {
  return reader.drain().map((event) => {
    const [, kind, state = ''] = /\[(\w+)\] \w+ +\d+ ?(?:\d+ )?([A-Z_]*)/.exec(formatEvent(event))!;
    const flags = Array.from(formatEvent(event).matchAll(/\[(UNREPLIED|ASSURED)\]/g), ([, flag]) => flag!);
    expect(event.isAssured).toBe(flags.includes('ASSURED'));
    return [kind, state, ...flags].filter((part) => part !== '').join(' ');
  });
}

const SYN = tcp(ENDS, { flags: 'S', seq: 100 });
const SYN_ACK = tcp(reverse(ENDS), { flags: 'SA', seq: 500, ack: 101 });
const ACK = tcp(ENDS, { flags: 'A', seq: 101, ack: 501 });

describe.each<EngineName>(['ct-bucket', 'baseline'])('a TCP connection (engine %s)', (engine) => {
  beforeEach(() => start(engine));

  it('is assured from the end of its handshake to its own end', () => {
    [
      SYN,
      SYN_ACK,
      ACK,
      tcp(ENDS, { flags: 'PA', seq: 101, ack: 501, data: Buffer.alloc(10) }),
      tcp(reverse(ENDS), { flags: 'A', seq: 501, ack: 111 }),
      tcp(ENDS, { flags: 'FA', seq: 111, ack: 501 }),
      tcp(reverse(ENDS), { flags: 'FA', seq: 501, ack: 112 }),
      tcp(ENDS, { flags: 'A', seq: 112, ack: 502 }),
    ].forEach((segment, nowMs) => send(ct, segment, nowMs, { commit: true }));
    ct.flush({ nowMs: 10 });
    expect(told()).toEqual([
      'NEW SYN_SENT UNREPLIED',
      'UPDATE SYN_RECV',
      'UPDATE ESTABLISHED ASSURED',
      'UPDATE FIN_WAIT ASSURED',
      'UPDATE LAST_ACK ASSURED',
      'UPDATE TIME_WAIT ASSURED',
      'DESTROY ASSURED',
    ]);
  });

  it('is assured when it is reset after the handshake, and not when it is refused', () => {
    [SYN, SYN_ACK, ACK, tcp(ENDS, { flags: 'R', seq: 101 })].forEach((segment) => send(ct, segment, 0));
    expect(told().slice(2)).toEqual(['UPDATE ESTABLISHED ASSURED', 'UPDATE CLOSE ASSURED']);
    ct.flush({ nowMs: 1 });
    expect(told()).toEqual(['DESTROY ASSURED']);
    send(ct, SYN, 2);
    send(ct, tcp(reverse(ENDS), { flags: 'RA', seq: 0, ack: 101 }), 3);
    ct.flush({ nowMs: 4 });
    expect(told()).toEqual(['NEW SYN_SENT UNREPLIED', 'UPDATE CLOSE', 'DESTROY']);
  });

  it('is not assured when it closes before the handshake has ended, though both ends get to all states', () => {
    [
      SYN,
      SYN_ACK,
      tcp(ENDS, { flags: 'FA', seq: 101, ack: 501 }),
      tcp(reverse(ENDS), { flags: 'FA', seq: 501, ack: 102 }),
      tcp(ENDS, { flags: 'A', seq: 102, ack: 502 }),
    ].forEach((segment) => send(ct, segment, 0));
    ct.flush({ nowMs: 1 });
    expect(told().filter((line) => line.includes('ASSURED'))).toEqual([]);
  });

  it('that is picked up in mid-stream is assured with its first reply', () => {
    send(ct, tcp(ENDS, { flags: 'PA', seq: 101, ack: 501, data: Buffer.alloc(10) }), 0);
    send(ct, tcp(reverse(ENDS), { flags: 'A', seq: 501, ack: 111 }), 1);
    send(ct, tcp(ENDS, { flags: 'A', seq: 111, ack: 501 }), 2);
    expect(told().at(-1)).toBe('UPDATE ESTABLISHED ASSURED');
  });

  it('says so too if the events are read only after its handshake', () => {
    reader.close();
    [SYN, SYN_ACK, ACK].forEach((segment) => send(ct, segment, 0));
    reader = ct.events();
    ct.flush({ nowMs: 1 });
    expect(told()).toEqual(['DESTROY ASSURED']);
  });
});

describe.each<EngineName>(['ct-bucket', 'baseline'])('a UDP conversation (engine %s)', (engine) => {
  beforeEach(() => start(engine));

  it.each<[what: string, packets: [direction: 'ask' | 'answer', ms: number][], end: string]>([
    ['question', [['ask', 0]], 'DESTROY UNREPLIED'],
    [
      'question asked again and again',
      [
        ['ask', 0],
        ['ask', 3000],
        ['ask', 6000],
      ],
      'DESTROY UNREPLIED',
    ],
    [
      'question and answer',
      [
        ['ask', 0],
        ['answer', 1],
      ],
      'DESTROY',
    ],
    [
      'question and late answer',
      [
        ['ask', 0],
        ['answer', 5000],
      ],
      'DESTROY',
    ],
    [
      'exchange of less than two seconds',
      [
        ['ask', 0],
        ['answer', 1],
        ['ask', 1000],
        ['answer', 1999],
      ],
      'DESTROY',
    ],
    [
      'exchange of more',
      [
        ['ask', 0],
        ['answer', 1],
        ['answer', 2001],
      ],
      'DESTROY ASSURED',
    ],
    [
      'late answer and a packet more',
      [
        ['ask', 0],
        ['answer', 5000],
        ['ask', 5001],
      ],
      'DESTROY ASSURED',
    ],
    [
      'long stream',
      [
        ['ask', 0],
        ['answer', 1],
        ['ask', 20_000],
        ['answer', 40_000],
      ],
      'DESTROY ASSURED',
    ],
  ])('that is a %s', (_, packets, end) => {
    for (const [direction, ms] of packets) {
      send(ct, udp(direction === 'ask' ? ENDS : reverse(ENDS)), ms);
    }
    ct.flush({ nowMs: 40_500 });
    expect(told().at(-1)).toBe(end);
  });

  it('begins anew with the next connection of its record', () => {
    [0, 1, 2500].forEach((ms, i) => send(ct, udp(i === 1 ? reverse(ENDS) : ENDS), ms));
    ct.flush({ nowMs: 2600 });
    send(ct, udp(ENDS), 3000);
    send(ct, udp(reverse(ENDS)), 3001);
    ct.flush({ nowMs: 3100 });
    expect(told().filter((line) => line.startsWith('DESTROY'))).toEqual(['DESTROY ASSURED', 'DESTROY']);
  });
});

it('a connection whose tuple a SYN reopens stays replied and assured in its last event', () => {
  start();
  [SYN, SYN_ACK, ACK, tcp(ENDS, { flags: 'R', seq: 101 })].forEach((segment) => send(ct, segment, 0));
  send(ct, tcp(ENDS, { flags: 'S', seq: 9000 }), 1);
  expect(told().slice(-2)).toEqual(['DESTROY ASSURED', 'NEW SYN_SENT UNREPLIED']);
  send(ct, tcp(reverse(ENDS), { flags: 'RA', seq: 0, ack: 9001 }), 2);
  send(ct, tcp(ENDS, { flags: 'S', seq: 19_000 }), 3);
  expect(told()).toEqual(['UPDATE CLOSE', 'DESTROY', 'NEW SYN_SENT UNREPLIED']);
});

it('a ping is never assured', () => {
  start();
  const ping = { src: '10.1.1.1', dst: '10.1.1.2' };
  for (const ms of [0, 3000, 6000]) {
    send(ct, icmp(ping, 8, Buffer.from([0, 7, 0, 1])), ms);
    send(ct, icmp(reverse(ping), 0, Buffer.from([0, 7, 0, 1])), ms + 1);
  }
  ct.flush({ nowMs: 7000 });
  expect(told()).toEqual(['NEW UNREPLIED', 'UPDATE', 'DESTROY']);
});

it('stands behind the reply tuple, before the mark and the zone', () => {
  start();
  const action = { commit: true, zone: 9, mark: { value: 5, mask: 0xff } } as const;
  [SYN, SYN_ACK, ACK].forEach((segment) => send(ct, segment, 0, action));
  expect(formatEvent(reader.drain().at(-1)!)).toBe(
    ' [UPDATE] tcp      6 86400 ESTABLISHED src=10.1.1.1 dst=10.1.1.2 sport=1000 dport=53 ' +
      'src=10.1.1.2 dst=10.1.1.1 sport=53 dport=1000 [ASSURED] mark=5 zone=9',
  );
});

it('is printed by replay --events', async () => {
  const args = ['replay', '--events', capturePath('tcpdump_bgp-4byte-asn')];
  const { code, stdout } = await run(process.execPath, [...CT_BUCKET, ...args]);
  expect(code).toBe(0);
  const lines = stdout.split('\n').filter((line) => line.includes(' ESTABLISHED '));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.filter((line) => !line.includes('[ASSURED]'))).toEqual([]);
  expect(stdout.split('\n').filter((line) => / (SYN_SENT|SYN_RECV) .*ASSURED/.test(line))).toEqual([]);
});
