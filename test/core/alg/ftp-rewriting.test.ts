/** Control conversations through translation: addresses in the payload, lengths, checksums, both sequence spaces. */

import fc from 'fast-check';
import { SocketAddress } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { NatOptions } from '../../../src/core/nat/action.ts';
import { ControlConnection, hostPort, type Side } from '../../support/ftp.ts';
import { addressBytes } from '../../support/tcp-frames.ts';

interface Route {
  name: string;
  isIpv6: boolean;
  client: string;
  /** The address to which the client connects. */
  server: string;
  nat: NatOptions;
  /** The client's address as the server knows it, and the server's own address. */
  clientOutside: string;
  serverInside: string;
}

const ROUTES: Route[] = [
  {
    name: 'source, longer, IPv4',
    isIpv6: false,
    client: '10.1.1.1',
    server: '192.0.2.9',
    nat: { action: ['src'], minAddr: '198.51.100.200' },
    clientOutside: '198.51.100.200',
    serverInside: '192.0.2.9',
  },
  {
    name: 'source, shorter, IPv4',
    isIpv6: false,
    client: '192.168.100.100',
    server: '192.0.2.9',
    nat: { action: ['src'], minAddr: '9.9.9.9' },
    clientOutside: '9.9.9.9',
    serverInside: '192.0.2.9',
  },
  {
    name: 'destination, IPv4',
    isIpv6: false,
    client: '10.1.1.1',
    server: '198.51.100.200',
    nat: { action: ['dst'], minAddr: '10.2.2.2' },
    clientOutside: '10.1.1.1',
    serverInside: '10.2.2.2',
  },
  {
    name: 'source, IPv6',
    isIpv6: true,
    client: 'fd00::7',
    server: '2001:db8::9',
    nat: { action: ['src'], minAddr: '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff' },
    clientOutside: '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff',
    serverInside: '2001:db8::9',
  },
  {
    name: 'source, shorter, IPv6',
    isIpv6: true,
    client: 'fd00:1:2:3:4:5:6:7',
    server: '2001:db8::9',
    nat: { action: ['src'], minAddr: '2001:db8::1' },
    clientOutside: '2001:db8::1',
    serverInside: '2001:db8::9',
  },
  {
    name: 'source, longer or shorter by spelling, IPv6',
    isIpv6: true,
    client: 'fd00::7',
    server: '2001:db8::9',
    nat: { action: ['src'], minAddr: '2001:db8::a:1' },
    clientOutside: '2001:db8::a:1',
    serverInside: '2001:db8::9',
  },
  {
    name: 'destination, IPv6',
    isIpv6: true,
    client: 'fd00:1::7',
    server: '2001:db8::9',
    nat: { action: ['dst'], minAddr: 'fd00:2::9' },
    clientOutside: 'fd00:1::7',
    serverInside: 'fd00:2::9',
  },
];

/** One segment of a conversation, and the segment that must arrive. */
interface Step {
  side: Side;
  sent: string;
  received: string;
  sack: boolean;
  padding: number;
}

function spelled(address: string, spelling: number): string {
  const full = addressBytes(address).toString('hex').match(/.{4}/g)!.join(':');
  return [address, full, full.toUpperCase(), new SocketAddress({ address: full, family: 'ipv6' }).address][spelling]!;
}

/**
 * The messages that make sense on a route. The stream grows in one direction only, as there is one sequence adjustment.
 */
function stepOn(route: Route): fc.Arbitrary<Step> {
  const plain = fc
    .tuple(fc.constantFrom<Side>('client', 'server'), fc.constantFrom('', 'USER me\r\n', '200 ok\r\n', 'QUIT\r\n'))
    .map(([side, text]) => ({ side, sent: text, received: text }));
  const port = fc.integer({ min: 1, max: 65535 });
  const messages: fc.Arbitrary<{ side: Side; sent: string; received: string }>[] = [plain, plain];
  const { client, clientOutside, server, serverInside } = route;
  if (route.isIpv6) {
    messages.push(
      fc.tuple(port, fc.nat(3), fc.boolean()).map(([p, spelling, knowsItself]) => ({
        side: 'client' as const,
        sent: `EPRT |2|${spelled(knowsItself ? clientOutside : client, spelling)}|${p}|\r\n`,
        received: `EPRT |2|${clientOutside}|${p}|\r\n`,
      })),
      port.map((p) => {
        const text = `229 Entering Extended Passive Mode (|||${p}|)\r\n`;
        return { side: 'server' as const, sent: text, received: text };
      }),
    );
  } else {
    messages.push(
      fc.tuple(port, fc.boolean()).map(([p, knowsItself]) => ({
        side: 'client' as const,
        sent: `PORT ${hostPort(knowsItself ? clientOutside : client, p)}\r\n`,
        received: `PORT ${hostPort(clientOutside, p)}\r\n`,
      })),
      port.map((p) => ({
        side: 'client' as const,
        sent: `EPRT |1|${client}|${p}|\r\n`,
        received: `EPRT |1|${clientOutside}|${p}|\r\n`,
      })),
      port.map((p) => ({
        side: 'server' as const,
        sent: `227 Entering Passive Mode (${hostPort(serverInside, p)}).\r\n`,
        received: `227 Entering Passive Mode (${hostPort(server, p)}).\r\n`,
      })),
    );
  }
  return fc
    .tuple(fc.oneof(...messages), fc.boolean(), fc.constantFrom(0, 0, 1, 6))
    .map(([message, sack, padding]) => ({ ...message, sack, padding }));
}

/** Also near the ends of the sequence space. */
const start = fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0xffffff00, max: 0xffffffff }));

const SACK = Buffer.from('0101050a0102030405060708', 'hex');

describe.each(ROUTES)('a conversation translated: $name', (route) => {
  it('is one stream to both ends, every packet whole', () => {
    fc.assert(
      fc.property(fc.array(stepOn(route), { maxLength: 12 }), start, start, (steps, clientStart, serverStart) => {
        const ct = new Conntrack({ buckets: 4, maxConnections: 16 });
        const control = new ControlConnection(ct, {
          ends: { src: route.client, dst: route.server, sport: 40_000, dport: 21 },
          action: { commit: true, helper: 'ftp', nat: route.nat },
          clientStart,
          serverStart,
        });
        const [flag, back] = route.nat.action![0] === 'src' ? ['snat', 'dnat'] : ['dnat', 'snat'];
        expect(control.open()).toEqual([`new|trk|${flag}`, `est|rpl|trk|${back}`, `est|trk|${flag}`]);
        for (const { side, sent, received, sack, padding } of steps) {
          const options = sack ? { options: SACK } : {};
          const got = control.send(side, sent, { ...options, padding });
          expect(got).toMatchObject({ data: received, faults: [] });
          expect(got.state).toBe(side === 'client' ? `est|trk|${flag}` : `est|rpl|trk|${back}`);
          /* Selective acknowledgements are not changed, as in Open vSwitch. */
          expect(got.options).toEqual(sack ? SACK : Buffer.alloc(0));
          expect(got.padding).toEqual(Buffer.alloc(padding, 0x5a));
        }
        expect(control.send('client', '').faults).toEqual([]);
        expect(control.send('server', '').faults).toEqual([]);
        ct.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe('a control connection', () => {
  const [longer] = ROUTES as [Route];
  const ends = { src: longer.client, dst: longer.server, sport: 40_000, dport: 21 };

  it('is left as it is in a pass that does not translate', () => {
    const ct = new Conntrack({ buckets: 4, maxConnections: 16 });
    const control = new ControlConnection(ct, { ends, action: { commit: true, helper: 'ftp' } });
    control.open();
    const sent = `PORT ${hostPort(longer.client, 300)}\r\n`;
    expect(control.send('client', sent)).toMatchObject({ data: sent, state: 'est|trk', faults: [] });
    expect(ct.dumpExpectations()).toHaveLength(1);
    ct.close();
  });

  it('whose text grows and shrinks back to its old length has its old numbers again', () => {
    const ct = new Conntrack({ buckets: 4, maxConnections: 16 });
    const route = ROUTES[3]!;
    const control = new ControlConnection(ct, {
      ends: { src: route.client, dst: route.server, sport: 40_000, dport: 21 },
      action: { commit: true, helper: 'ftp', nat: { action: ['src'], minAddr: 'fd00::777' } },
    });
    control.open();
    expect(control.send('client', 'EPRT |2|fd00::7|9|\r\n').data).toBe('EPRT |2|fd00::777|9|\r\n');
    expect(control.send('client', 'EPRT |2|fd00::0:777|9|\r\n').data).toBe('EPRT |2|fd00::777|9|\r\n');
    for (const side of ['server', 'client', 'server'] as const) {
      expect(control.send(side, 'text\r\n')).toMatchObject({ faults: [] });
    }
    ct.close();
  });

  it.each(['PORT 10,1,1,2,3,4\r\n', 'PORT 10,1,1\r\n', '227 ok\r\n'])(
    'is invalid at %j and goes on as before',
    (bad) => {
      const ct = new Conntrack({ buckets: 4, maxConnections: 16 });
      const control = new ControlConnection(ct, { ends, action: { commit: true, helper: 'ftp', nat: longer.nat } });
      control.open();
      control.send('client', `PORT ${hostPort(longer.client, 300)}\r\n`);
      const { data, state } = control.deliver('client', { flags: 'PA', data: bad });
      expect({ data, state }).toEqual({ data: bad, state: 'est|inv|trk|snat' });
      expect(ct.dumpExpectations()).toHaveLength(1);
      expect(control.send('server', 'what?\r\n').faults).toEqual([]);
      ct.close();
    },
  );
});
