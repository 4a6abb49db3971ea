/** TCP over IPv4 and IPv6 for tests: frames from fields, and fields from frames. Written without the code under test. */

import { isIPv6, SocketAddress } from 'node:net';
import type { PortEnds } from './frames.ts';
import { onesComplementSum, repaired } from './repair.ts';

const FLAGS = { F: 1, S: 2, R: 4, P: 8, A: 16 } as const;

export interface TcpOptions {
  /** Letters of FSRPA. */
  flags: string;
  seq: number;
  ack?: number;
  data?: Uint8Array | string;
  /** TCP options, a multiple of 4 bytes. */
  options?: Uint8Array;
  /** Bytes behind the IP packet. */
  padding?: number;
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(text: string): Buffer {
  if (!isIPv6(text)) {
    return Buffer.from(text.split('.').map(Number));
  }
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(':'),
  );
  const halves = plain.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const [head, tail] = [halves[0]!, halves[1] ?? []];
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
  const bytes = Buffer.alloc(16);
  groups.forEach((group, index) => bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2));
  return bytes;
}

/** The usual form of an address. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) {
    return [...bytes].join('.');
  }
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g)!;
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

export function tcpFrame({ src, dst, sport, dport }: PortEnds, fields: TcpOptions): Buffer {
  const data = Buffer.from(fields.data ?? '');
  const options = fields.options ?? Buffer.alloc(0);
  const header = Buffer.alloc(20);
  header.writeUInt16BE(sport, 0);
  header.writeUInt16BE(dport, 2);
  header.writeUInt32BE(fields.seq >>> 0, 4);
  header.writeUInt32BE((fields.ack ?? 0) >>> 0, 8);
  header[12] = ((20 + options.length) / 4) << 4;
  header[13] = [...fields.flags].reduce((bits, flag) => bits | FLAGS[flag as keyof typeof FLAGS], 0);
  header.writeUInt16BE(65535, 14);
  const isIpv6 = isIPv6(src);
  const ip = Buffer.alloc(isIpv6 ? 8 : 12);
  ip[0] = isIpv6 ? 0x60 : 0x45;
  ip[isIpv6 ? 6 : 9] = 6;
  ip[isIpv6 ? 7 : 8] = 64;
  const link = Buffer.from(`020000000002020000000001${isIpv6 ? '86dd' : '0800'}`, 'hex');
  const whole = repaired(Buffer.concat([link, ip, addressBytes(src), addressBytes(dst), header, options, data]));
  return Buffer.concat([whole, Buffer.alloc(fields.padding ?? 0, 0x5a)]);
}

export interface TcpView extends PortEnds {
  seq: number;
  ack: number;
  options: Buffer;
  data: string;
  /** Faults in the lengths and checksums; each checksum is computed over the whole segment. */
  faults: string[];
  padding: Buffer;
}

export function viewTcp(bytes: Uint8Array): TcpView {
  const frame = Buffer.from(bytes);
  const isIpv6 = frame.readUInt16BE(12) === 0x86dd;
  const l4 = isIpv6 ? 54 : 34;
  const end = isIpv6 ? l4 + frame.readUInt16BE(18) : 14 + frame.readUInt16BE(16);
  const addresses = isIpv6 ? frame.subarray(22, 54) : frame.subarray(26, 34);
  const half = addresses.length / 2;
  const segment = frame.subarray(l4, end);
  const faults: string[] = [];
  if (end > frame.length) {
    faults.push(`the IP packet ends at byte ${end} of ${frame.length}`);
  }
  if (!isIpv6 && onesComplementSum(frame.subarray(14, 34)) !== 0xffff) {
    faults.push('IP checksum');
  }
  const pseudo = Buffer.concat([addresses, Buffer.alloc(4), Buffer.alloc(4)]);
  pseudo.writeUInt32BE(segment.length, addresses.length);
  pseudo[addresses.length + 7] = 6;
  if (onesComplementSum(Buffer.concat([pseudo, segment])) !== 0xffff) {
    faults.push('TCP checksum');
  }
  const dataAt = (segment[12]! >> 4) * 4;
  return {
    src: addressText(addresses.subarray(0, half)),
    dst: addressText(addresses.subarray(half)),
    sport: segment.readUInt16BE(0),
    dport: segment.readUInt16BE(2),
    seq: segment.readUInt32BE(4),
    ack: segment.readUInt32BE(8),
    options: segment.subarray(20, dataAt),
    data: segment.subarray(dataAt).toString('latin1'),
    padding: frame.subarray(end),
    faults,
  };
}
