/** Answers of a running tracker on its control socket while it tracks packets. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pcapHeader, pcapRecord } from '../../src/cli/capture/open-capture.ts';
import { COMMANDS } from '../../src/workers/control/commands.ts';
import type { ControlReply } from '../../src/workers/control/protocol.ts';
import { type ChildResult, CT_BUCKET, run } from '../support/child.ts';
import { capturePath } from '../support/fixtures.ts';
import { udp } from '../support/frames.ts';
import { answerOn, type Asked, request, Running } from '../support/running.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-control-'));
afterAll(() => rmSync(folder, { recursive: true }));

let running: Running;

function ctl(args: readonly string[]): Promise<ChildResult> {
  return run(process.execPath, [...CT_BUCKET, 'ctl', '--socket', running.socketPath, ...args]);
}

/** Runs `ct-bucket run` with these arguments for all tests of a `describe`. */
function withRun(args: () => readonly string[]): void {
  beforeAll(async () => {
    running = await Running.start([...args(), '--socket', join(mkdtempSync(join(folder, 'run-')), 'control.sock')]);
  });
  afterAll(async () => {
    const { code, stderr } = await running.stop();
    expect({ code, stderr: stderr.split('\n').slice(1) }).toEqual({ code: 0, stderr: [''] });
  });
}

/** Valid command lines, at least one for each command, and the pattern of each answer. */
const ANSWERED: [command: string, args: string[], text: RegExp, asked?: Asked][] = [
  ['dump-conntrack', [], /^udp,orig=\(src=[\d.]+,dst=[\d.]+,sport=\d+,dport=\d+\),reply=\(/m],
  ['dump-conntrack', ['zone=7'], /^tcp,.*,zone=7,protoinfo=\(state=/m],
  ['dump-conntrack', ['zone=8'], /^$/],
  ['dump-conntrack', [], /,id=0,zone=7,status=0,timeout=\d+/, { more: true, statistics: true }],
  ['dump-conntrack-exp', [], /^$/],
  ['ct-stats-show', [], /^Connections Stats:\n {4}Total: \d+\n {2}TCP: \d+\n {2}UDP: \d+\n$/],
  ['ct-stats-show', [], /Conn per TCP states:\n\t {2}\[ESTABLISHED\]=\d+/, { more: true }],
  ['ct-stats-show', ['zone=8'], /^Connections Stats:\n {4}Total: 0\n$/],
  ['ct-bkts', [], /^Total Buckets: 1024\nCurrent Connections: \d+\n\n\+-{11}\+/],
  ['ct-bkts', ['gt=60000'], /^ {3}0\.\. {2}7 {3}\| {5}\. {4}\./m],
  ['ct-get-maxconns', [], /^3000000\n$/],
  ['ct-set-maxconns', ['2000000'], /^setting maxconns successful\n$/],
  ['ct-get-maxconns', [], /^2000000\n$/],
  ['ct-get-nconns', [], /^\d+\n$/],
  ['ct-get-tcp-seq-chk', [], /^TCP sequence checking: enabled\n$/],
  ['ct-disable-tcp-seq-chk', [], /^disabling TCP sequence checking successful\n$/],
  ['ct-get-tcp-seq-chk', [], /^TCP sequence checking: disabled\n$/],
  ['ct-enable-tcp-seq-chk', [], /^enabling TCP sequence checking successful\n$/],
  ['ct-get-sweep-interval', [], /^500\n$/],
  ['ct-set-sweep-interval', ['250'], /^setting sweep interval successful\n$/],
  ['ct-get-sweep-interval', [], /^250\n$/],
  ['ct-get-limits', [], /^default limit=0\n$/],
  ['ct-set-limits', ['default=10', 'zone=1,limit=5', 'limit=3,zone=3', 'zone=4,limit=15'], /^$/],
  ['ct-del-limits', ['zone=4,5'], /^$/],
  [
    'ct-get-limits',
    ['zone=1,2,3,4'],
    /^default limit=10\nzone=1,limit=5,count=0\nzone=2,limit=10,count=0\nzone=3,limit=3,count=0\nzone=4,limit=10,count=0\n$/,
  ],
  ['ct-del-limits', ['default', 'zone=3'], /^$/],
  ['ct-get-limits', [], /^default limit=0\nzone=1,limit=5,count=0\n$/],
  [
    'ipf-get-status',
    [],
    /^ {8}Fragmentation Module Status\n {8}-{27}\n {8}v4 enabled: 1\n {8}v6 enabled: 1\n {8}max num frags \(v4\/v6\): 1000\n/,
  ],
  ['ipf-set-min-frag', ['v6', '500'], /^setting minimum fragment size successful\n$/],
  ['ipf-set-max-nfrags', ['500'], /^setting maximum fragments successful\n$/],
  ['ipf-set-disabled', ['v4'], /^disabling fragmentation reassembly successful\n$/],
  [
    'ipf-get-status',
    [],
    /v4 enabled: 0\n {8}v6 enabled: 1\n {8}max num frags \(v4\/v6\): 500\n[^]*min v6 frag size: 500\n/,
  ],
  ['ipf-get-status', [], /v6 frags purged: 0\n\n {8}Fragment Lists:\n\n$/, { more: true }],
  ['ipf-set-enabled', ['v4'], /^enabling fragmentation reassembly successful\n$/],
  ['ct-set-timeout-policy', ['5', 'udp_first=7'], /^$/],
  ['ct-get-timeout-policy', ['5'], /^id=5, tcp_syn_sent=30 .* udp_first=7 udp_single=60 /],
  ['ct-get-timeout-policy', [], /^id=0, .*\nid=5, .*\n$/],
  ['ct-set-zone-timeout-policy', ['zone=2', '5'], /^$/],
  ['ct-get-zone-timeout-policy', [], /^zone=2,policy=5\n$/],
  ['ct-get-zone-timeout-policy', ['zone=3'], /^$/],
  ['ct-del-zone-timeout-policy', ['zone=2'], /^$/],
  ['ct-del-timeout-policy', ['5'], /^$/],
  ['ct-get-timeout-policy', [], /^id=0, [^\n]*\n$/],
  ['counters', [], /^packets +\d+ +\d+ +\d+$/m],
  ['list-commands', [], /^The available commands are:\n {2}dump-conntrack /],
  ['flush-conntrack', ['zone=7'], /^$/],
  ['flush-conntrack', [], /^$/],
];

const REFUSED: [command: string, args: string[], says: RegExp][] = [
  ['nothing', [], /^unknown command 'nothing'; list-commands/],
  ['toString', [], /^unknown command 'toString'/],
  ['dump-conntrack', ['zone=65536'], /^dump-conntrack: .*zone/],
  ['dump-conntrack', ['what=1'], /invalid conntrack tuple field: what/],
  ['dump-conntrack-exp', ['zone=x'], /invalid zone 'x'/],
  ['flush-conntrack', ['mark=x'], /mark/],
  [
    'flush-conntrack',
    ['ct_nw_src=9.9.9.9,ct_nw_dst=9.9.9.8,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2'],
    /no such connection/,
  ],
  ['ct-stats-show', ['zone=1', 'zone=2'], /unexpected argument 'zone=2'/],
  ['ct-bkts', ['5'], /gt=THRESHOLD/],
  ['ct-set-maxconns', [], /maxconns missing/],
  ['ct-set-maxconns', ['a'], /maxconns malformed: 'a'/],
  ['ct-set-maxconns', ['3000001'], /from 0 to 3000000/],
  ['ct-get-nconns', ['dp'], /unexpected argument 'dp'/],
  ['ct-set-limits', [], /too few arguments/],
  ['ct-set-limits', ['default=-1'], /invalid default limit/],
  ['ct-set-limits', ['zone=1,limit=-1'], /invalid limit/],
  ['ct-set-limits', ['zone=1'], /failed to parse zone limit/],
  ['ct-set-limits', ['zone=,limit=1'], /field zone missing value/],
  ['ct-set-limits', ['zone=1,limit=1,x=1'], /invalid zone limit field 'x'/],
  ['ct-get-limits', ['zone=x'], /invalid zone/],
  ['ct-get-limits', ['zone=,'], /a zone is missing in 'zone=,'/],
  ['ct-del-limits', [], /too few arguments/],
  ['ct-set-sweep-interval', ['0'], /from 1 to/],
  ['ipf-set-enabled', ['v5'], /give v4 for IPv4, or v6 for IPv6/],
  ['ipf-set-min-frag', ['v4', '399'], /from 400/],
  ['ipf-set-max-nfrags', ['5001'], /5000/],
  ['ct-set-timeout-policy', ['1', 'udp_fist=3'], /unknown timeout udp_fist/],
  ['ct-set-timeout-policy', ['x'], /malformed: 'x'/],
  ['ct-get-timeout-policy', ['99'], /no such timeout policy: 99/],
  ['ct-set-zone-timeout-policy', ['5'], /zone=ZONE/],
  ['ct-del-zone-timeout-policy', ['zone=5'], /zone 5 has no timeout policy/],
  ['events', ['all'], /zone=ZONE/],
];

describe('a looped capture on two PMDs', () => {
  withRun(() => [capturePath('zeek_wikipedia-filtered-plus-udp'), '--loop', '--zone', '7', '--threads', '2']);

  beforeAll(() => running.untilCounter('packets', (packets) => packets > 1000));

  it.each(ANSWERED)('answers %s %j', async (command, args, text, asked) => {
    const reply = await running.ask(command, args, asked);
    expect(reply).toEqual({ exitCode: 0, text: reply.text });
    expect(reply.text).toMatch(text);
  });

  it('answered every command of the list except events', () => {
    const asked = new Set([...ANSWERED.map(([command]) => command), 'events']);
    expect([...asked].toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
  });

  it.each(ANSWERED)('answers %s %j in JSON', async (command, args) => {
    const { text, exitCode } = await running.ask(command, args, { json: true });
    expect(exitCode).toBe(0);
    expect(JSON.parse(text)).toBeTypeOf('object');
  });

  it.each(REFUSED)('refuses %s %j in one line', async (command, args, says) => {
    const reply = await running.ask(command, args);
    expect(reply).toMatchObject({ text: '', exitCode: 2 });
    expect(reply.error).toMatch(says);
    expect(reply.error).not.toContain('\n');
  });

  it('applies a setting to both threads', async () => {
    await running.ask('ct-set-limits', ['zone=7,limit=0']);
    await running.ask('flush-conntrack');
    await running.untilCounter('zoneFull', (refused) => refused > 1000);
    expect(await running.askJson('ct-get-limits')).toContainEqual({ zone: 7, limit: 0, count: 0 });
    expect((await running.ask('dump-conntrack')).text).toBe('');
    await running.ask('ct-del-limits', ['zone=7']);
    while ((await running.ask('dump-conntrack')).text === '') {
      /* Until both threads have seen the next round of the capture. */
    }
  });

  it('streams events to several listeners until they disconnect', async () => {
    const texts = ['', ''];
    const areComplete = () => texts.every((text) => /\[NEW\]|"new"/.test(text) && /\[DESTROY\]|"destroy"/.test(text));
    const listeners = await Promise.all(
      [{}, { json: true }].map((asked) =>
        request(running.socketPath, { command: 'events', args: ['zone=7'], ...asked }),
      ),
    );
    listeners.forEach((socket, index) => {
      let rest = '';
      socket.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop()!;
        texts[index] += lines.map((line) => (JSON.parse(line) as { text: string }).text).join('');
      });
    });
    while (!areComplete()) {
      /* Each round of packets opens the flushed connections again. */
      await running.ask('flush-conntrack');
    }
    listeners.forEach((socket) => socket.destroy());
    expect(texts[0]).toMatch(/^ {4}\[NEW\] (udp {6}17|tcp {6}6) /m);
    expect(texts[0]).toMatch(/^\[DESTROY\] .* zone=7$/m);
    const events = texts[1]!
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'destroy', reason: 'flushed', zone: 7 }));
    /* Events are off without a listener: connections still come and go, but no event is written. */
    let hasEnded = false;
    for (let look = 0; look < 20 && !hasEnded; look++) {
      const before = await running.askJson('counters');
      let after = before;
      while (after['created']! < before['created']! + 500) {
        await running.ask('flush-conntrack');
        after = await running.askJson('counters');
      }
      hasEnded = after['events'] === before['events'] && after['eventsLost'] === before['eventsLost'];
    }
    expect(hasEnded).toBe(true);
  });

  it('answers ct-bucket ctl, which prints the answer and ends with its exit code', async () => {
    expect(await ctl(['ct-get-maxconns'])).toMatchObject({ code: 0, stdout: '2000000\n', stderr: '' });
    const dump = await ctl(['-m', 'dump-conntrack', 'zone=7', '-s']);
    expect(dump).toMatchObject({ code: 0, stderr: '' });
    expect(dump.stdout).toMatch(/^(tcp|udp),.*,status=0,timeout=\d+/m);
    const wrong = await ctl(['ct-set-maxconns', 'x']);
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/^ct-bucket: ct-set-maxconns: maxconns malformed: 'x'[^\n]*\n$/);
  });
});

describe('a table of 200,000 connections', () => {
  const CONNECTIONS = 200_000;

  function capture(): string {
    const records = [Buffer.from(pcapHeader())];
    for (let n = 0; n < CONNECTIONS; n++) {
      const src = `10.0.${(n >> 8) & 0xff}.${n & 0xff}`;
      records.push(Buffer.from(pcapRecord(udp({ src, dst: '10.1.0.1', sport: 1 + (n >> 16), dport: 53 }), n / 1000)));
    }
    const path = join(folder, 'many.pcap');
    writeFileSync(path, Buffer.concat(records));
    return path;
  }

  withRun(() => [capture(), '--loop', '--max-connections', '300000']);

  beforeAll(() => running.untilCounter('created', (created) => created >= CONNECTIONS));

  it('can be dumped to a slow reader while packets go on', async () => {
    const socket = await request(running.socketPath, { command: 'dump-conntrack' });
    let lines = 0;
    let rest = '';
    let last: ControlReply | undefined;
    let pauses = 0;
    for await (const chunk of socket) {
      const parts = (rest + (chunk as Buffer).toString()).split('\n');
      rest = parts.pop()!;
      for (const part of parts) {
        last = JSON.parse(part) as ControlReply;
        lines += 'text' in last ? last.text.split('\n').length - 1 : 0;
      }
      if (pauses < 5) {
        /* The reader pauses, and the packet path goes on: by more packets than a ring holds. */
        pauses++;
        const { packets } = await running.askJson('counters');
        await running.untilCounter('packets', (now) => now > packets! + 100_000);
      }
    }
    expect(pauses).toBe(5);
    expect(last).toEqual({ exitCode: 0 });
    expect(lines).toBe(CONNECTIONS);
  });

  it('can be dumped as JSON after the reader of an earlier dump has disconnected', async () => {
    const socket = await request(running.socketPath, { command: 'dump-conntrack' });
    await once(socket, 'data');
    socket.destroy();
    const { text } = await answerOn(await request(running.socketPath, { command: 'dump-conntrack', json: true }));
    expect(JSON.parse(text)).toHaveLength(CONNECTIONS);
  });

  it('can be flushed while packets go on', async () => {
    const { flushed } = await running.askJson('flush-conntrack');
    expect(flushed).toBeGreaterThan(CONNECTIONS / 2);
    await running.untilCounter('created', (created) => created > CONNECTIONS * 1.5);
  });
});

describe('ctl', () => {
  it('reports in one line that the server closed the connection', async () => {
    const path = join(mkdtempSync(join(folder, 'closes-')), 'control.sock');
    const server = createServer((socket) => socket.destroy());
    server.listen(path);
    await once(server, 'listening');
    try {
      const main = [...CT_BUCKET, 'ctl', '--socket', path, 'ct-get-nconns'];
      const { code, stdout, stderr } = await run(process.execPath, main);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toBe(`ct-bucket: ${path}: the tracker ended before its reply was complete\n`);
    } finally {
      server.close();
    }
  });
});
