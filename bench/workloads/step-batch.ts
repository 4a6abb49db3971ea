/**
 * One step of many conversations: a batch whose packets differ only in their connection. Connection `id` of the grid has client
 * port 1 + (id >> 14) and server port 1 + (id & 0x3fff). The client is 10.1.1.1 or 2001:db8::1, the server 10.1.1.2 or
 * 2001:db8::2. IPv4 checksums are valid, and the tracker verifies them. Checksums of TCP, and of UDP over IPv6, are marked as
 * good, like those that a network interface has verified.
 */

import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import {
  ChecksumBit,
  FRAME_SHIFT_BYTES,
  PacketWord,
  Protocol,
  swapHalf,
  swapWord,
} from '../../src/core/packet/layout.ts';
import type { TupleTable } from './tuples.ts';
import { COLUMN_BITS } from './udp-grid.ts';

export const TcpFlag = { FIN: 0x01, SYN: 0x02, PSH: 0x08, ACK: 0x10 } as const;

export interface StepOptions {
  protocol: 'udp' | 'tcp';
  batchSize: number;
  isReply?: boolean;
  isIpv6?: boolean;
  payloadBytes?: number;
  /** Of the table that judges the packets: the batch lies beside it. */
  memory?: TrackerMemory | undefined;
  /** Engine `shards`: by connection, which of its client's addresses makes the datapath steer it to the thread that sends it. */
  hosts?: Hosts | undefined;
  /** The address of every client, as in `hosts`. Default: the usual one. */
  host?: number;
}

/** An address for each connection, by number. 0: the usual one. */
export type Hosts = Uint16Array<SharedArrayBuffer>;

const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const IP_WORD: number = PacketWord.FRAME + (FRAME_SHIFT_BYTES + ETHERNET_BYTES) / 4;
const IPV4_SRC_WORD: number = IP_WORD + 3;
const IPV4_DST_WORD: number = IP_WORD + 4;
const IPV4_CHECKSUM_WORD: number = IP_WORD + 2;
/** The word of the client's address that depends on the host: in original direction, and in a reply. */
const IPV4_CLIENT = [IPV4_SRC_WORD, IPV4_DST_WORD] as const;
const IPV6_CLIENT = [IP_WORD + 5, IP_WORD + 9] as const;
const COLUMN_MASK = (1 << COLUMN_BITS) - 1;

function ipv4Header(frame: Buffer, { isReply, protocol }: StepOptions, host: number): void {
  const ends = [
    [10, 1 + (host >>> 8), 1 + (host & 0xff), 1],
    [10, 1, 1, 2],
  ];
  const [src, dst] = isReply ? ends.toReversed() : ends;
  frame.writeUInt16BE(0x0800, 12);
  frame[ETHERNET_BYTES] = 0x45;
  frame.writeUInt16BE(frame.length - ETHERNET_BYTES, ETHERNET_BYTES + 2);
  frame[ETHERNET_BYTES + 8] = 64;
  frame[ETHERNET_BYTES + 9] = protocol === 'udp' ? Protocol.UDP : Protocol.TCP;
  frame.set(src!, ETHERNET_BYTES + 12);
  frame.set(dst!, ETHERNET_BYTES + 16);
  let sum = 0;
  for (let at = ETHERNET_BYTES; at < ETHERNET_BYTES + IPV4_BYTES; at += 2) {
    sum += frame.readUInt16BE(at);
  }
  sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, ETHERNET_BYTES + 10);
}

function ipv6Header(frame: Buffer, { isReply, protocol }: StepOptions, host: number): void {
  frame.writeUInt16BE(0x86dd, 12);
  frame[ETHERNET_BYTES] = 0x60;
  frame.writeUInt16BE(frame.length - ETHERNET_BYTES - IPV6_BYTES, ETHERNET_BYTES + 4);
  frame[ETHERNET_BYTES + 6] = protocol === 'udp' ? Protocol.UDP : Protocol.TCP;
  frame[ETHERNET_BYTES + 7] = 64;
  for (const [at, end] of [
    [8, isReply ? 2 : 1],
    [24, isReply ? 1 : 2],
  ] as const) {
    frame.writeUInt32BE(0x20010db8, ETHERNET_BYTES + at);
    frame.writeUInt32BE(end === 1 ? (host << 16) | end : end, ETHERNET_BYTES + at + 12);
  }
}

function frameOf(options: StepOptions): Buffer {
  const { protocol, isIpv6 = false, payloadBytes = 0, host = 0 } = options;
  const l4Bytes = protocol === 'udp' ? 8 : 20;
  const l4 = ETHERNET_BYTES + (isIpv6 ? IPV6_BYTES : IPV4_BYTES);
  const frame = Buffer.alloc(l4 + l4Bytes + payloadBytes);
  if (isIpv6) {
    ipv6Header(frame, options, host);
  } else {
    ipv4Header(frame, options, host);
  }
  if (protocol === 'udp') {
    frame.writeUInt16BE(l4Bytes + payloadBytes, l4 + 4);
    frame.writeUInt16BE(isIpv6 ? 0x1234 : 0, l4 + 6);
  } else {
    /* fillTcp fills in the rest. */
    frame[l4 + 12] = 5 << 4;
    frame.writeUInt16BE(0x1234, l4 + 16);
  }
  return frame;
}

/** The client's address in packets: 10.1.1.1 or 2001:db8::1 for host 0, 10.1.2.1 or 2001:db8::1:1 for host 1, ... */
class HostWords {
  readonly #hosts: Hosts;
  /** Words of a packet that depend on the host, and their values by host. */
  readonly #columns: { at: number; values: Int32Array }[];

  constructor(options: StepOptions, hosts: Hosts) {
    this.#hosts = hosts;
    const most = hosts.reduce((max, host) => Math.max(max, host), 0) + 1;
    const clientAt = (options.isIpv6 ? IPV6_CLIENT : IPV4_CLIENT)[options.isReply ? 1 : 0];
    const places = options.isIpv6 ? [clientAt] : [clientAt, IPV4_CHECKSUM_WORD];
    const header = PacketBatch.allocate();
    const columns = places.map((at) => ({ at, values: new Int32Array(most) }));
    for (let host = 0; host < most; host++) {
      header.clear();
      header.add(frameOf({ ...options, host }));
      for (const { at, values } of columns) {
        values[host] = header.words[header.slots[0]! + at]!;
      }
    }
    this.#columns = columns;
  }

  write({ words, slots }: PacketBatch, first: number, count: number): void {
    for (const { at, values } of this.#columns) {
      for (let i = 0; i < count; i++) {
        words[slots[i]! + at] = values[this.#hosts[first + i]!]!;
      }
    }
  }
}

export class StepBatch {
  readonly batch: PacketBatch;
  readonly #isReply: boolean;
  readonly #l4Word: number;
  readonly #checksums: number;
  readonly #hosts: HostWords | undefined;

  constructor(options: StepOptions) {
    const { batchSize, isReply = false, isIpv6 = false, protocol, memory } = options;
    this.batch = PacketBatch.allocate(undefined, memory);
    const frame = frameOf(options);
    for (let i = 0; i < batchSize; i++) {
      this.batch.add(frame);
    }
    this.#isReply = isReply;
    this.#l4Word = IP_WORD + (isIpv6 ? IPV6_BYTES : IPV4_BYTES) / 4;
    this.#checksums = protocol === 'tcp' || isIpv6 ? ChecksumBit.L4_GOOD : 0;
    this.#hosts = options.hosts === undefined ? undefined : new HostWords(options, options.hosts);
  }

  /** Turns the batch into fresh packets of the grid's connections `first`, `first + 1`, ... */
  fillGrid(first: number, count: number): void {
    const { words, slots } = this.batch;
    const isReply = this.#isReply;
    const l4Word = this.#l4Word;
    const checksums = this.#checksums;
    this.batch.count = count;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      const id = first + i;
      const client = swapHalf(1 + (id >> COLUMN_BITS));
      const server = swapHalf(1 + (id & COLUMN_MASK));
      words[slot + PacketWord.CHECKSUMS] = checksums;
      words[slot + PacketWord.STATE] = 0;
      words[slot + PacketWord.CONN] = 0;
      words[slot + l4Word] = isReply ? server | (client << 16) : client | (server << 16);
    }
    this.#hosts?.write(this.batch, first, count);
  }

  /** Turns the batch into fresh packets of connections with these tuples, in original direction. IPv4 checksums are marked as good. */
  fillTuples(tuples: TupleTable, first: number, count: number): void {
    const { words, slots } = this.batch;
    const l4Word = this.#l4Word;
    const checksums = this.#checksums | ChecksumBit.IP_GOOD;
    this.batch.count = count;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      const at = (first - tuples.first + i) * 3;
      words[slot + PacketWord.CHECKSUMS] = checksums;
      words[slot + PacketWord.STATE] = 0;
      words[slot + PacketWord.CONN] = 0;
      words[slot + IPV4_SRC_WORD] = tuples.words[at]!;
      words[slot + IPV4_DST_WORD] = tuples.words[at + 1]!;
      words[slot + l4Word] = tuples.words[at + 2]!;
    }
  }

  /** Like fillGrid, for TCP packets with these flags, sequence and acknowledgement numbers (host order). */
  fillTcp(first: number, count: number, flags: number, seq: number, ack: number): void {
    const { words, slots } = this.batch;
    const isReply = this.#isReply;
    const l4Word = this.#l4Word;
    const checksums = this.#checksums;
    const seqWord = swapWord(seq);
    const ackWord = swapWord(ack);
    const flagsWord = (5 << 4) | (flags << 8) | 0xffff0000;
    this.batch.count = count;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      const id = first + i;
      const client = swapHalf(1 + (id >> COLUMN_BITS));
      const server = swapHalf(1 + (id & COLUMN_MASK));
      words[slot + PacketWord.CHECKSUMS] = checksums;
      words[slot + PacketWord.STATE] = 0;
      words[slot + PacketWord.CONN] = 0;
      words[slot + l4Word] = isReply ? server | (client << 16) : client | (server << 16);
      words[slot + l4Word + 1] = seqWord;
      words[slot + l4Word + 2] = ackWord;
      words[slot + l4Word + 3] = flagsWord;
    }
    this.#hosts?.write(this.batch, first, count);
  }
}
