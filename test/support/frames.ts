/** Frames for tests, with correct checksums. */

/** The Internet checksum (RFC 1071) of big-endian 16-bit words. Written without the code under test on purpose. */
function checksum(parts: Buffer[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  }
  return ~sum & 0xffff;
}

function address(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

export interface Ends {
  src: string;
  dst: string;
}

export interface PortEnds extends Ends {
  sport: number;
  dport: number;
}

/** An Ethernet frame with an IPv4 packet. */
export function ipv4({ src, dst }: Ends, protocol: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + payload.length, 2);
  header[8] = 64;
  header[9] = protocol;
  address(src).copy(header, 12);
  address(dst).copy(header, 16);
  header.writeUInt16BE(checksum([header]), 10);
  return Buffer.concat([Buffer.from('0200000000020200000000010800', 'hex'), header, payload]);
}

function pseudoHeader({ src, dst }: Ends, protocol: number, length: number): Buffer {
  return Buffer.concat([address(src), address(dst), Buffer.from([0, protocol, length >> 8, length & 0xff])]);
}

export function udp(ends: PortEnds, data: Buffer = Buffer.alloc(0)): Buffer {
  const segment = Buffer.concat([Buffer.alloc(8), data]);
  segment.writeUInt16BE(ends.sport, 0);
  segment.writeUInt16BE(ends.dport, 2);
  segment.writeUInt16BE(segment.length, 4);
  segment.writeUInt16BE(checksum([pseudoHeader(ends, 17, segment.length), segment]) || 0xffff, 6);
  return ipv4(ends, 17, segment);
}

export interface TcpFields {
  flags: 'S' | 'SA' | 'A' | 'PA' | 'FA' | 'R' | 'RA';
  seq: number;
  ack?: number;
  window?: number;
  data?: Buffer;
}

const FLAGS = { F: 1, S: 2, R: 4, P: 8, A: 16 } as const;

export function tcp(ends: PortEnds, fields: TcpFields): Buffer {
  const segment = Buffer.concat([Buffer.alloc(20), fields.data ?? Buffer.alloc(0)]);
  segment.writeUInt16BE(ends.sport, 0);
  segment.writeUInt16BE(ends.dport, 2);
  segment.writeUInt32BE(fields.seq >>> 0, 4);
  segment.writeUInt32BE((fields.ack ?? 0) >>> 0, 8);
  segment[12] = 0x50;
  segment[13] = [...fields.flags].reduce((bits, flag) => bits | FLAGS[flag as keyof typeof FLAGS], 0);
  segment.writeUInt16BE(fields.window ?? 65535, 14);
  segment.writeUInt16BE(checksum([pseudoHeader(ends, 6, segment.length), segment]), 16);
  return ipv4(ends, 6, segment);
}

export function icmp(ends: Ends, type: number, rest: Buffer): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), rest]);
  message.writeUInt16BE(checksum([message]), 2);
  return ipv4(ends, 1, message);
}

/** An ICMP error (type 3) about a frame, from `from` to the sender of that frame. */
export function icmpError(from: string, about: Buffer): Buffer {
  const quoted = about.subarray(14, 14 + 28);
  const to = [...quoted.subarray(12, 16)].join('.');
  return icmp({ src: from, dst: to }, 3, Buffer.concat([Buffer.alloc(4), quoted]));
}

/** The ends of the other direction. */
export function reverse<T extends Partial<PortEnds> & Ends>(ends: T): T {
  const turned = { ...ends, src: ends.dst, dst: ends.src };
  return 'sport' in ends ? { ...turned, sport: ends.dport, dport: ends.sport } : turned;
}
