/** Events: which changes of a connection they report, when, and in which order. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { Counter } from '../../../src/core/counters.ts';
import { visitBucket } from '../../../src/core/inspect/table-walk.ts';
import { formatEvent } from '../../../src/core/events/event-format.ts';
import type { ConnEvent, EventReader } from '../../../src/core/events/event-reader.ts';
import { removeConn } from '../../../src/core/lifecycle/remove.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../../src/shared/sync/barrier.ts';
import { icmp, reverse, tcp, udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';
import { Crew } from '../../threads/crew.ts';
import type { EventJobs } from '../../threads/event-jobs.ts';

const ENDS = { src: '10.1.1.1', dst: '10.1.1.2', sport: 1000, dport: 53 };

let ct: Conntrack;
let reader: EventReader;

function lines(events: ConnEvent[] = reader.drain()): string[] {
  return events.map((event) => `${event.timeMs} ${event.kind}${event.reason === undefined ? '' : ` ${event.reason}`}`);
}

function recordsOf(table: Conntrack): Int32Array {
  const records: number[] = [];
  for (let bucket = 0; bucket < table.tracker.table.bucketCount; bucket++) {
    visitBucket(table.tracker, bucket, (record) => records.push(record));
  }
  return Int32Array.from(records);
}

describe('one thread', () => {
  beforeEach(() => {
    ct = new Conntrack({ maxConnections: 10_000, buckets: 4, maxParticipants: 2, eventCapacity: 8 });
    reader = ct.events();
  });

  it('reports a UDP connection, its first reply and its end, not its other packets', () => {
    send(ct, udp(ENDS), 1);
    send(ct, udp(ENDS), 2);
    send(ct, udp(reverse(ENDS)), 3);
    send(ct, udp(reverse(ENDS)), 4);
    send(ct, udp(ENDS), 5);
    ct.sweep(30_005);
    const events = reader.drain();
    expect(lines(events)).toEqual(['1 new', '3 update', '30005 destroy expiredAtSweep']);
    expect(new Set(events.map(({ id }) => id)).size).toBe(1);
    expect(events.map(({ hasReply }) => hasReply)).toEqual([false, true, true]);
    expect(events.map(({ timeoutMs }) => timeoutMs).slice(0, 2)).toEqual([60_000, 30_000]);
    expect(events[0]).toMatchObject({ orig: { ...ENDS, proto: 17 }, reply: { ...reverse(ENDS), proto: 17 }, zone: 0 });
  });

  it('reports a ping with a reply', () => {
    const ping = { src: '10.1.1.1', dst: '10.1.1.2' };
    send(ct, icmp(ping, 8, Buffer.from([0, 7, 0, 1])), 1);
    send(ct, icmp(ping, 8, Buffer.from([0, 7, 0, 2])), 2);
    send(ct, icmp(reverse(ping), 0, Buffer.from([0, 7, 0, 1])), 3);
    send(ct, icmp(reverse(ping), 0, Buffer.from([0, 7, 0, 2])), 4);
    expect(reader.drain().map((event) => formatEvent(event))).toEqual([
      '    [NEW] icmp     1 60 src=10.1.1.1 dst=10.1.1.2 type=8 code=0 id=7 [UNREPLIED] ' +
        'src=10.1.1.2 dst=10.1.1.1 type=0 code=0 id=7',
      ' [UPDATE] icmp     1 30 src=10.1.1.1 dst=10.1.1.2 type=8 code=0 id=7 ' +
        'src=10.1.1.2 dst=10.1.1.1 type=0 code=0 id=7',
    ]);
  });

  it('reports every state of a TCP connection once, and its reopening, but not its data', () => {
    const data = Buffer.alloc(10);
    const segments = [
      tcp(ENDS, { flags: 'S', seq: 100 }),
      tcp(ENDS, { flags: 'S', seq: 100 }),
      tcp(reverse(ENDS), { flags: 'SA', seq: 500, ack: 101 }),
      tcp(ENDS, { flags: 'A', seq: 101, ack: 501 }),
      tcp(ENDS, { flags: 'PA', seq: 101, ack: 501, data }),
      tcp(reverse(ENDS), { flags: 'A', seq: 501, ack: 111 }),
      tcp(ENDS, { flags: 'FA', seq: 111, ack: 501 }),
      tcp(reverse(ENDS), { flags: 'FA', seq: 501, ack: 112 }),
      tcp(ENDS, { flags: 'A', seq: 112, ack: 502 }),
      tcp(ENDS, { flags: 'S', seq: 9000 }),
    ];
    const told: string[] = [];
    for (const [nowMs, segment] of segments.entries()) {
      send(ct, segment, nowMs, { commit: true, zone: 3 });
      told.push(...reader.drain().map((event) => `${event.timeMs}${formatEvent(event)}`.replace(/ src=.*/, '')));
    }
    expect(told).toEqual([
      '0    [NEW] tcp      6 30 SYN_SENT',
      '2 [UPDATE] tcp      6 30 SYN_RECV',
      '3 [UPDATE] tcp      6 86400 ESTABLISHED',
      '6 [UPDATE] tcp      6 900 FIN_WAIT',
      '7 [UPDATE] tcp      6 45 LAST_ACK',
      '8 [UPDATE] tcp      6 30 TIME_WAIT',
      '9[DESTROY] tcp      6',
      '9    [NEW] tcp      6 30 SYN_SENT',
    ]);
  });

  it('says why a connection is gone', () => {
    send(ct, udp(ENDS), 0);
    send(ct, udp(ENDS), 70_000);
    send(ct, udp(reverse(ENDS)), 70_001, { force: true });
    ct.flush({ nowMs: 70_002 });
    send(ct, udp(ENDS), 80_000);
    ct.sweep(200_000);
    expect(lines()).toEqual([
      '0 new',
      '70000 destroy expiredAtLookup',
      '70000 new',
      '70001 destroy forced',
      '70001 new',
      '70002 destroy flushed',
      '80000 new',
      '200000 destroy expiredAtSweep',
    ]);
  });

  it('says that a SYN re-opened a closed connection, and names another connection', () => {
    send(ct, tcp(ENDS, { flags: 'S', seq: 100 }), 0);
    send(ct, tcp(ENDS, { flags: 'R', seq: 100 }), 1);
    reader.drain();
    send(ct, tcp(ENDS, { flags: 'S', seq: 9000 }), 2);
    const events = reader.drain();
    expect(lines(events)).toEqual(['2 destroy reopened', '2 new']);
    expect(events[0]!.id).not.toBe(events[1]!.id);
  });

  it('reports an eviction', () => {
    send(ct, udp(ENDS), 0);
    ct.tracker.enter();
    removeConn(ct.tracker, recordsOf(ct)[0]!, Counter.evicted);
    ct.tracker.quiesce();
    ct.tracker.leave();
    expect(lines()).toEqual(['0 new', '0 destroy evicted']);
  });

  it('gives the mark, label and zone that a connection is created with', () => {
    send(ct, udp(ENDS), 0, {
      commit: true,
      zone: 9,
      mark: { value: 5, mask: 0xff },
      label: { value: 'abc', mask: 'fff' },
    });
    const [event] = reader.drain();
    expect(event).toMatchObject({ zone: 9, mark: 5, label: 'abc'.padStart(32, '0') });
    expect(formatEvent(event!, { timestamp: true })).toMatch(/^\[0\.000000\]\t {4}\[NEW\] udp .* mark=5 zone=9$/);
    expect(formatEvent(event!, { id: true })).toMatch(new RegExp(` id=${event!.id}$`));
  });

  it('gives both tuples of a translated connection, and its mark', () => {
    const nat = { action: ['src'], minAddr: '10.1.1.240' } as const;
    send(ct, udp(ENDS), 0, { commit: true, nat, mark: { value: 7, mask: 0xff } });
    send(ct, udp({ ...reverse(ENDS), dst: '10.1.1.240' }), 1, { nat: { action: [] } });
    ct.flush({ nowMs: 2 });
    const events = reader.drain();
    expect(lines(events)).toEqual(['0 new', '1 update', '2 destroy flushed']);
    for (const event of events) {
      expect(event.orig).toEqual({ ...ENDS, proto: 17 });
      expect(event.reply).toEqual({ ...reverse(ENDS), dst: '10.1.1.240', proto: 17 });
      expect(event.mark).toBe(7);
    }
  });

  it('reports nothing without a reader, nor changes from before the reader', () => {
    send(ct, udp(ENDS), 0);
    reader.close();
    send(ct, udp({ ...ENDS, sport: 2 }), 0);
    send(ct, udp(reverse({ ...ENDS, sport: 2 })), 0);
    ct.flush({ filter: { orig: { sport: 2 } } });
    expect(ct.counters().events).toBe(1);
    reader = ct.events();
    expect(reader.drain()).toEqual([]);
    send(ct, udp({ ...ENDS, sport: 3 }), 0);
    expect(reader.drain()).toHaveLength(1);
    expect(ct.counters().events).toBe(2);
  });

  it('says nothing of packets that create nothing', () => {
    send(ct, udp(ENDS), 0, {});
    ct.maxConnections = 0;
    send(ct, udp(ENDS), 0);
    expect(reader.drain()).toEqual([]);
  });

  it('loses and counts events if the ring is full, and goes on when there is space', () => {
    for (let sport = 1; sport <= 12; sport++) {
      expect(send(ct, udp({ ...ENDS, sport }), sport)).toBe('new|trk');
    }
    expect(reader.lost).toBe(4);
    expect(lines()).toEqual(Array.from({ length: 8 }, (_, i) => `${i + 1} new`));
    send(ct, udp({ ...ENDS, sport: 13 }), 13);
    expect(lines()).toEqual(['13 new']);
    expect(ct.counters()).toMatchObject({ events: 9, eventsLost: 4, created: 13 });
  });

  it('loses nothing of its own flush, however much that is', () => {
    reader.close();
    ct = new Conntrack({ maxConnections: 10_000, buckets: 64, maxParticipants: 1, eventCapacity: 32 });
    reader = ct.events();
    for (let sport = 1; sport <= 400; sport++) {
      send(ct, udp({ ...ENDS, sport }), 0);
      reader.collect();
    }
    reader.drain();
    expect(ct.flush({ nowMs: 1 })).toBe(400);
    expect(lines()).toEqual(Array.from({ length: 400 }, () => '1 destroy flushed'));
  });

  it('has one reader at a time', () => {
    expect(() => ct.events()).toThrow('have a reader already: close it first');
    const other = Conntrack.attach(ct.memory);
    expect(() => other.events()).toThrow('have a reader already: close it first');
    reader.close();
    other.events().close();
    other.close();
  });

  it('can be followed until it is enough', async () => {
    const enough = new AbortController();
    const told: string[] = [];
    send(ct, udp(ENDS), 1);
    for await (const events of reader.follow({ pollMs: 1, signal: enough.signal })) {
      told.push(...lines(events));
      if (told.length === 1) {
        setImmediate(() => send(ct, udp(reverse(ENDS)), 2));
      } else {
        enough.abort();
      }
    }
    expect(told).toEqual(['1 new', '2 update']);
  });
});

describe('several threads', () => {
  const THREADS = 3;
  const crew = new Crew<EventJobs>({ jobs: 'event-jobs', threads: THREADS, checked: false });
  afterAll(() => crew.end());

  async function setUp(eventCapacity: number): Promise<number[]> {
    ct = new Conntrack({ maxConnections: 10_000, buckets: 16, maxParticipants: THREADS + 1, eventCapacity });
    reader = ct.events();
    return crew.run('setUp', { memory: ct.memory });
  }

  const together = () => ({ barrier: allocateWords(BARRIER_WORDS), parties: THREADS });
  const CONNECTIONS = 2000;
  const frames = Array.from({ length: CONNECTIONS }, (_, i) => udp({ ...ENDS, sport: 1000 + i }));
  const answers = Array.from({ length: CONNECTIONS }, (_, i) => udp(reverse({ ...ENDS, sport: 1000 + i })));

  it('that create the same connections and reply report each once, in order', async () => {
    await setUp(16_384);
    /*
     * One thread after another creates a connection, so that each ring holds an event, whichever thread creates the
     * others.
     */
    for (let thread = 0; thread < THREADS; thread++) {
      await crew.runOn(thread, 'send', { frames: frames.slice(thread, thread + 1), zone: 0, nowMs: 1 });
    }
    /*
     * All threads send the first packet and the reply of every connection: each connection has one creator and one
     * first replier.
     */
    const traffic = frames.flatMap((frame, i) => [frame, answers[i]!]);
    await crew.run('send', { frames: traffic, zone: 0, nowMs: 1, ...together() });
    const events = reader.drain();
    expect(reader.lost).toBe(0);
    expect(events).toHaveLength(2 * CONNECTIONS);
    const kinds = new Map<number, string>();
    for (const { id, kind } of events) {
      kinds.set(id, `${kinds.get(id) ?? ''}${kind} `);
    }
    expect([...kinds.values()]).toEqual(Array.from({ length: CONNECTIONS }, () => 'new update '));
    const order = events.map(({ sequence }) => sequence);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(new Set(order).size).toBe(order.length);
    expect(new Set(events.map(({ participant }) => participant)).size).toBe(THREADS);
  });

  it('write every event or count it as lost, while the reader reads', async () => {
    await setUp(64);
    let isDone = false;
    const seen = new Map<number, number>();
    let received = 0;
    const done = crew.run('send', { frames, zone: 0, nowMs: 1, ...together() }).then(() => (isDone = true));
    let last = -1;
    for (;;) {
      const wasDone = isDone;
      for (const { id, sequence } of reader.drain()) {
        expect(sequence).toBeGreaterThan(last);
        last = sequence;
        seen.set(id, (seen.get(id) ?? 0) + 1);
        received++;
      }
      if (wasDone) {
        break;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    const { created, events, eventsLost } = ct.counters();
    expect(created).toBe(CONNECTIONS);
    expect(received).toBe(events);
    expect(events + eventsLost).toBe(CONNECTIONS);
    expect(reader.lost).toBe(eventsLost);
    expect(Math.max(...seen.values())).toBe(1);
  });

  it('that remove the same connections report each removal once', async () => {
    await setUp(16_384);
    await crew.run('send', { frames: frames.slice(0, 500), zone: 0, nowMs: 1, ...together() });
    reader.drain();
    await crew.run('removeAll', { records: recordsOf(ct), nowMs: 5, ...together() });
    const events = reader.drain();
    expect(lines(events)).toEqual(Array.from({ length: 500 }, () => '5 destroy flushed'));
    expect(new Set(events.map(({ id }) => id)).size).toBe(500);
    expect(ct.connCount).toBe(0);
  });

  it('hold back later events of others while one stands between number and publication', async () => {
    const participants = await setUp(64);
    await crew.runOn(0, 'send', { frames: frames.slice(0, 1), zone: 0, nowMs: 1 });
    expect(reader.drain()).toHaveLength(1);
    const [record] = recordsOf(ct);
    await crew.runOn(1, 'announce', { record: record! });
    await crew.runOn(2, 'send', { frames: frames.slice(1, 3), zone: 0, nowMs: 2 });
    expect(reader.drain()).toEqual([]);
    await crew.runOn(1, 'settle', { isLinked: true });
    expect(reader.drain().map(({ participant }) => participant)).toEqual([
      participants[1],
      participants[2],
      participants[2],
    ]);
    /* An event that is discarded does not delay the reader. */
    await crew.runOn(1, 'announce', { record: record! });
    await crew.runOn(1, 'settle', { isLinked: false });
    await crew.runOn(2, 'send', { frames: frames.slice(3, 4), zone: 0, nowMs: 3 });
    expect(lines()).toEqual(['3 new']);
  });
});
