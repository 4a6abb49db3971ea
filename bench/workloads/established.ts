/**
 * Traffic of established connections, both directions in turn, with or without source NAT. Connection `id` goes from CLIENT
 * port 1024 + (id >> 14) to SERVER port 1 + (id & 0x3fff). Every packet carries 100 bytes. IP checksums are valid, and the tracker
 * verifies them. UDP and TCP checksums are marked as good, like those that a network interface has verified.
 */

import { PacketBatch } from '../../src/core/packet/batch.ts';
import { ChecksumBit, FRAME_SHIFT_BYTES, PacketWord, Protocol, swapHalf } from '../../src/core/packet/layout.ts';
import { COLUMN_BITS } from './udp-grid.ts';

export type L4Protocol = 'udp' | 'tcp';

const CLIENT = '10.1.1.1';
const SERVER = '10.1.1.2';
/** The translated source address. */
export const NAT_ADDRESS = '10.9.0.1';

const FIRST_CLIENT_PORT = 1024;
const ETHERNET_BYTES = 14;
const IP_BYTES = 20;
const PAYLOAD_BYTES = 100;
const IP_WORD: number = PacketWord.FRAME + (FRAME_SHIFT_BYTES + ETHERNET_BYTES) / 4;
const L4_WORD: number = IP_WORD + IP_BYTES / 4;

const SYN = 0x02;
const ACK = 0x10;
/** Initial sequence number of both sides. All packets after the handshake derive theirs from it. */
const INITIAL_SEQUENCE = 1000;

/** The steps that open a connection. Traffic follows them. */
export const OPENING_STEPS = { udp: ['original', 'reply'], tcp: ['syn', 'synAck', 'ack'] } as const;
export type Step = 'original' | 'reply' | 'syn' | 'synAck' | 'ack';

function putAddress(frame: Buffer, at: number, text: string): void {
  frame.set(text.split('.').map(Number), at);
}

/** IP checksum (RFC 1071). */
function putIpChecksum(frame: Buffer): void {
  let sum = 0;
  for (let at = ETHERNET_BYTES; at < ETHERNET_BYTES + IP_BYTES; at += 2) {
    sum += frame.readUInt16BE(at);
  }
  sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, ETHERNET_BYTES + 10);
}

function frameOf(protocol: L4Protocol, step: Step, isTranslated: boolean): Buffer {
  const l4Bytes = protocol === 'udp' ? 8 : 20;
  const isReply = step === 'reply' || step === 'synAck';
  const client = isTranslated && isReply ? NAT_ADDRESS : CLIENT;
  const payload = step === 'original' || step === 'reply' ? PAYLOAD_BYTES : 0;
  const frame = Buffer.alloc(ETHERNET_BYTES + IP_BYTES + l4Bytes + payload);
  frame.writeUInt16BE(0x0800, 12);
  frame[ETHERNET_BYTES] = 0x45;
  frame.writeUInt16BE(frame.length - ETHERNET_BYTES, ETHERNET_BYTES + 2);
  frame[ETHERNET_BYTES + 8] = 64;
  frame[ETHERNET_BYTES + 9] = protocol === 'udp' ? Protocol.UDP : Protocol.TCP;
  putAddress(frame, ETHERNET_BYTES + 12, isReply ? SERVER : client);
  putAddress(frame, ETHERNET_BYTES + 16, isReply ? client : SERVER);
  putIpChecksum(frame);
  const l4 = ETHERNET_BYTES + IP_BYTES;
  if (protocol === 'udp') {
    frame.writeUInt16BE(l4Bytes + payload, l4 + 4);
    frame.writeUInt16BE(0x1234, l4 + 6);
    return frame;
  }
  const isFirst = step === 'syn' || step === 'synAck';
  frame.writeUInt32BE(INITIAL_SEQUENCE + (isFirst ? 0 : 1), l4 + 4);
  frame.writeUInt32BE(step === 'syn' ? 0 : INITIAL_SEQUENCE + 1, l4 + 8);
  frame[l4 + 12] = 5 << 4;
  frame[l4 + 13] = step === 'syn' ? SYN : step === 'synAck' ? SYN | ACK : ACK;
  frame.writeUInt16BE(65535, l4 + 14);
  frame.writeUInt16BE(0x1234, l4 + 16);
  return frame;
}

/** A batch whose packets repeat `steps`. `fill` turns them into fresh packets of other connections. */
export class EstablishedBatch {
  readonly batch: PacketBatch = PacketBatch.allocate();
  readonly #steps: readonly Step[];
  /** The words of each step that a translation changes: the IP header and the next five words. */
  readonly #headers: Int32Array[] = [];
  readonly #l4Words: number;

  constructor(options: { protocol: L4Protocol; steps: readonly Step[]; isTranslated: boolean; batchSize: number }) {
    const { protocol, steps, isTranslated, batchSize } = options;
    this.#steps = steps;
    this.#l4Words = protocol === 'udp' ? 2 : 5;
    for (let i = 0; i < batchSize; i++) {
      this.batch.add(frameOf(protocol, steps[i % steps.length]!, isTranslated));
    }
    for (let i = 0; i < steps.length; i++) {
      const slot = this.batch.slots[i]!;
      this.#headers.push(this.batch.words.slice(slot + IP_WORD, slot + L4_WORD + this.#l4Words));
    }
  }

  /** Turns packet i into one of connection `first + floor(i / steps)`, modulo `connections`. */
  fill(first: number, count: number, connections: number): void {
    const { words, slots } = this.batch;
    const steps = this.#steps.length;
    this.batch.count = count;
    let step = 0;
    let id = first % connections;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      const header = this.#headers[step]!;
      for (let word = 0; word < header.length; word++) {
        words[slot + IP_WORD + word] = header[word]!;
      }
      const client = swapHalf(FIRST_CLIENT_PORT + (id >> COLUMN_BITS));
      const server = swapHalf(1 + (id & ((1 << COLUMN_BITS) - 1)));
      const name = this.#steps[step]!;
      const isReply = name === 'reply' || name === 'synAck';
      words[slot + L4_WORD] = isReply ? server | (client << 16) : client | (server << 16);
      words[slot + PacketWord.CHECKSUMS] = ChecksumBit.L4_GOOD;
      words[slot + PacketWord.STATE] = 0;
      words[slot + PacketWord.CONN] = 0;
      if (++step === steps) {
        step = 0;
        id = id + 1 === connections ? 0 : id + 1;
      }
    }
  }
}
