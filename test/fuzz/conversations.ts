/** Packets of live connections: the next one of a handshake or a transfer, a reply, or an ICMP error about one. */

import {
  concatenated,
  type Ends,
  fragments,
  half,
  networkHeader,
  packet,
  setHalf,
  setWord,
  transportHeader,
} from './frames.ts';
import type { Random } from './random.ts';

const NO_BYTES = new Uint8Array(0);
/** Usual TCP options, and lists that end inside their last option. */
const SYN_OPTIONS = [[], [2, 4, 5, 180, 1, 3, 3, 7], [1, 1, 1, 3, 3, 14, 0, 0], [1, 1, 1, 3], [1, 1, 3, 3]].map(
  (bytes) => Uint8Array.from(bytes),
);
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

/** Addresses of hosts. Actions translate to the last ones, whose text is longer. There are few, so that connections collide. */
export const HOSTS_V4 = ['10.1.1.1', '10.1.1.2', '10.1.2.1', '192.168.100.201', '192.168.100.202'];
export const HOSTS_V6 = [
  'fd00::1',
  'fd00::2',
  'fd00:1::1',
  'fd00:9876:5432:1234:5678:9abc::1',
  'fd00:9876:5432:1234:5678:9abc::2',
];
export const PORTS = [21, 69, 53, 80, 4000, 4001, 4002, 40_000, 40_001, 0];

const ADDRESSES_V4 = HOSTS_V4.map((text) => Uint8Array.from(text.split('.').map(Number)));
const ADDRESSES_V6 = HOSTS_V6.map((text) => {
  const [first, last] = text.split('::');
  const groups = first!.split(':');
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => setHalf(bytes, 2 * i, Number.parseInt(group, 16)));
  setHalf(bytes, 14, Number.parseInt(last!, 16));
  return bytes;
});

interface Flow {
  protocol: number;
  isIpv6: boolean;
  client: Bytes;
  server: Bytes;
  clientPort: number;
  serverPort: number;
  /** The next sequence numbers of the client and of the server. */
  seq: [number, number];
  /** Packets of the TCP handshake so far. */
  stage: number;
}

const PROTOCOLS = [6, 6, 6, 17, 17, 1, 132, 47, 50];

type Bytes = Uint8Array<ArrayBuffer>;

function text(line: string): Bytes {
  return Uint8Array.from(new TextEncoder().encode(line));
}

function decimals(address: Bytes, port: number): string {
  return [...address.subarray(0, 4), port >> 8, port & 255].join(',');
}

/** The text of an address as in FTP's extended commands. */
function addressText(flow: Flow): string {
  const from = flow.isIpv6 ? ADDRESSES_V6 : ADDRESSES_V4;
  const texts = flow.isIpv6 ? HOSTS_V6 : HOSTS_V4;
  return texts[from.indexOf(flow.client)] ?? texts[0]!;
}

/** Makes connections between few hosts on few ports. */
export class Conversations {
  readonly #random: Random;
  readonly #mostlyFtp: boolean;
  readonly #flows: Flow[] = [];
  /** The latest frames, for ICMP errors about them and for fragments, copies and mixtures of them. */
  readonly #recent: Uint8Array[] = [];
  #held: Uint8Array[] = [];
  #fragmentId = 1;

  /** @param options.mostlyFtp most connections are FTP control connections */
  constructor(random: Random, options: { mostlyFtp?: boolean } = {}) {
    this.#random = random;
    this.#mostlyFtp = options.mostlyFtp === true;
  }

  #open(): Flow {
    const random = this.#random;
    const isIpv6 = random.oneIn(3);
    const addresses = isIpv6 ? ADDRESSES_V6 : ADDRESSES_V4;
    const protocol = this.#mostlyFtp && !random.oneIn(4) ? 6 : random.pick(PROTOCOLS);
    const isControl = protocol === 6 && (this.#mostlyFtp || random.oneIn(3));
    const flow: Flow = {
      protocol: protocol === 1 && isIpv6 ? 58 : protocol,
      isIpv6,
      client: random.pick(addresses),
      server: random.pick(this.#mostlyFtp ? addresses.slice(0, 3) : addresses),
      clientPort: random.pick(PORTS),
      serverPort: isControl ? 21 : random.pick(PORTS),
      seq: [random.next(), random.next()],
      stage: 0,
    };
    if (this.#flows.length < 24) {
      this.#flows.push(flow);
    } else {
      this.#flows[random.below(24)] = flow;
    }
    return flow;
  }

  /** The next frame. The caller may keep and change its bytes. */
  next(): Uint8Array {
    const random = this.#random;
    if (this.#held.length > 0 && !random.oneIn(4)) {
      return this.#held.splice(random.oneIn(3) ? random.below(this.#held.length) : 0, 1)[0]!;
    }
    const flow =
      this.#flows.length === 0 || random.oneIn(this.#mostlyFtp ? 40 : 8) ? this.#open() : random.pick(this.#flows);
    const isReply = random.oneIn(2);
    let frame = this.#frameOf(flow, isReply);
    if (this.#recent.length > 0 && random.oneIn(16)) {
      frame = this.#errorAbout(random.pick(this.#recent));
    }
    if (this.#recent.length < 16) {
      this.#recent.push(frame);
    } else {
      this.#recent[random.below(16)] = frame;
    }
    if (frame.length > 600 ? random.oneIn(2) : random.oneIn(40)) {
      const pieces = fragments(random, frame, this.#fragmentId++);
      /* Some fragments are lost, some come twice. */
      this.#held.push(...pieces.filter(() => !random.oneIn(12)), ...pieces.filter(() => random.oneIn(12)));
      return this.#held.shift() ?? frame.slice();
    }
    return frame.slice();
  }

  #endsOf(flow: Flow, isReply: boolean): Ends {
    const { isIpv6, client, server } = flow;
    return isReply ? { isIpv6, src: server, dst: client } : { isIpv6, src: client, dst: server };
  }

  #frameOf(flow: Flow, isReply: boolean): Uint8Array {
    const random = this.#random;
    const ends = this.#endsOf(flow, isReply);
    const [sport, dport] = isReply ? [flow.serverPort, flow.clientPort] : [flow.clientPort, flow.serverPort];
    switch (flow.protocol) {
      case 6:
        return packet(random, ends, 6, this.#tcp(flow, isReply, sport, dport));
      case 17: {
        const data = flow.serverPort === 69 ? this.#tftp() : this.#data();
        const segment = new Uint8Array(8 + data.length);
        setHalf(segment, 0, sport);
        setHalf(segment, 2, dport);
        segment.set(data, 8);
        return packet(random, ends, 17, segment);
      }
      case 1:
      case 58: {
        const types = flow.isIpv6 ? [128, 128, 135, 133] : [8, 8, 13, 15, 17];
        const answers = flow.isIpv6 ? [129, 129, 136, 134] : [0, 0, 14, 16, 18];
        const kind = flow.clientPort % types.length;
        const message = new Uint8Array(8 + random.below(40));
        message[0] = (isReply ? answers : types)[kind]!;
        setHalf(message, 4, flow.clientPort);
        setHalf(message, 6, random.below(5));
        return packet(random, ends, flow.protocol, message);
      }
      case 132: {
        const segment = new Uint8Array(12 + 4 * random.below(8));
        setHalf(segment, 0, sport);
        setHalf(segment, 2, dport);
        setWord(segment, 4, 1);
        return packet(random, ends, 132, segment);
      }
      default:
        return packet(random, ends, flow.protocol, random.bytes(8 + random.below(24)));
    }
  }

  #data(): Uint8Array {
    const random = this.#random;
    const bytes = random.oneIn(12) ? random.between(600, 4000) : random.below(48);
    return new Uint8Array(bytes).fill(random.byte());
  }

  #tftp(): Uint8Array {
    const random = this.#random;
    const request = concatenated([Uint8Array.of(0, random.pick([1, 2, 3, 4])), text('file\0octet\0')]);
    return request.subarray(0, random.oneIn(6) ? random.below(request.length) : request.length);
  }

  #tcp(flow: Flow, isReply: boolean, sport: number, dport: number): Uint8Array {
    const random = this.#random;
    const own = isReply ? 1 : 0;
    let flags = ACK;
    let data: Uint8Array = NO_BYTES;
    let options: Uint8Array = NO_BYTES;
    const scripted = [SYN, SYN | ACK, ACK];
    if (random.oneIn(16)) {
      flags = random.byte() & 0x3f;
    } else if (flow.stage < 3) {
      flags = scripted[flow.stage]!;
      /* Sometimes the packet comes from the wrong end; then the handshake does not go on. */
      if (isReply === (flow.stage === 1)) {
        flow.stage++;
      }
    } else if (random.oneIn(24)) {
      flags = random.pick([FIN | ACK, FIN | ACK, RST, RST | ACK, SYN]);
      flow.stage = flags === SYN ? 1 : flow.stage;
    } else {
      data = flow.serverPort === 21 ? this.#ftp(flow, isReply) : this.#data();
    }
    if ((flags & SYN) !== 0) {
      options = random.oneIn(4)
        ? Uint8Array.from({ length: 4 * random.between(1, 3) }, () => random.pick([0, 1, 1, 2, 3, 3, 4, 7, 14, 255]))
        : random.pick(SYN_OPTIONS);
    }
    const segment = new Uint8Array(20 + options.length + data.length);
    setHalf(segment, 0, sport);
    setHalf(segment, 2, dport);
    const jitter = random.oneIn(12) ? (random.oneIn(2) ? random.next() : random.between(-3000, 3000)) : 0;
    setWord(segment, 4, (flow.seq[own]! + jitter) | 0);
    setWord(segment, 8, (flags & ACK) === 0 ? 0 : flow.seq[1 - own]!);
    segment[12] = ((20 + options.length) >> 2) << 4;
    segment[13] = flags;
    setHalf(segment, 14, random.oneIn(8) ? random.edge(16) : 60_000);
    segment.set(options, 20);
    segment.set(data, 20 + options.length);
    if (jitter === 0 && !random.oneIn(10)) {
      flow.seq[own] = (flow.seq[own]! + data.length + ((flags & (SYN | FIN)) === 0 ? 0 : 1)) >>> 0;
    }
    return segment;
  }

  #ftp(flow: Flow, isReply: boolean): Uint8Array {
    const random = this.#random;
    const port = random.pick(PORTS);
    const lines = isReply
      ? [
          `227 Entering Passive Mode (${decimals(flow.server, port)})\r\n`,
          `229 Entering Extended Passive Mode (|||${port}|)\r\n`,
          '220 ready\r\n',
        ]
      : [
          `PORT ${decimals(flow.client, port)}\r\n`,
          `EPRT |${flow.isIpv6 ? 2 : 1}|${addressText(flow)}|${port}|\r\n`,
          'EPSV\r\n',
          'PASV\r\n',
        ];
    const line = text(random.pick(lines));
    if (random.oneIn(4)) {
      line[random.below(line.length)] = random.oneIn(2) ? random.byte() : random.pick([...text('0123456789,|.()\r\n')]);
    }
    return random.oneIn(10) ? line.subarray(0, random.below(line.length)) : line;
  }

  /** An ICMP error that quotes a frame, whole or truncated. */
  #errorAbout(frame: Uint8Array): Uint8Array {
    const random = this.#random;
    const l3 = networkHeader(frame);
    if (l3 < 0) {
      return frame;
    }
    const isIpv6 = frame[l3]! >>> 4 === 6;
    const addresses = isIpv6 ? ADDRESSES_V6 : ADDRESSES_V4;
    const to = isIpv6 ? frame.slice(l3 + 8, l3 + 24) : frame.slice(l3 + 12, l3 + 16);
    const { l4 } = transportHeader(frame, l3);
    const quoted = frame.subarray(l3, Math.min(frame.length, l4 + random.pick([8, 8, 20, 64, 4, 500])));
    const message = new Uint8Array(8 + quoted.length);
    message[0] = random.pick(isIpv6 ? [1, 2, 3, 4] : [3, 11, 12, 4, 5]);
    message[1] = random.below(4);
    message.set(quoted, 8);
    return packet(random, { isIpv6, src: random.pick(addresses), dst: to }, isIpv6 ? 58 : 1, message);
  }
}

/** Breaks a frame: changes a byte or a length, or cuts its end. Changes it in place, or returns a new one. */
export function mutated(random: Random, frame: Uint8Array, other: Uint8Array): Uint8Array {
  let result = frame;
  for (let changes = random.between(1, 3); changes > 0; changes--) {
    const { length } = result;
    const l3 = networkHeader(result);
    switch (random.below(9)) {
      case 0:
        result[random.below(length)] = random.byte();
        break;
      case 1:
        if (length > 0) {
          const at = random.below(length);
          result[at] = result[at]! ^ (1 << random.below(8));
        }
        break;
      case 2:
        result = result.slice(0, random.below(length + 1));
        break;
      case 3:
        result = concatenated([result, random.bytes(random.pick([1, 2, 3, 4, 8, 46, 300]))]);
        break;
      case 4:
        /* The front of this frame, and the end of the other one. */
        result = concatenated([
          result.subarray(0, random.below(length + 1)),
          other.subarray(random.below(other.length + 1)),
        ]);
        break;
      case 5:
        /* The length, offset or type in a header. */
        if (l3 >= 0) {
          const isIpv6 = result[l3]! >>> 4 === 6;
          const at = l3 + random.pick(isIpv6 ? [4, 5, 6, 40, 41, 42, 43, 52, 53] : [0, 2, 3, 6, 7, 9, 20, 32, 33]);
          if (at < length) {
            result[at] = random.pick([0, 1, 2, 4, 0x0f, 0x45, 0x4f, 0x50, 0x60, 0xf0, 0xff, random.byte()]);
          }
        }
        break;
      case 6:
        if (length > 20) {
          setHalf(
            result,
            random.below(length - 2),
            random.pick([0, 1, 7, 8, 0x7fff, 0x8000, 0xffff, half(result, 16)]),
          );
        }
        break;
      case 7: {
        const at = random.below(length + 1);
        result.copyWithin(random.below(length + 1), at, at + random.below(32));
        break;
      }
      default:
        result = result.slice(0, Math.max(0, length - random.between(1, 9)));
    }
  }
  return result;
}
