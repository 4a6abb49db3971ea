/**
 * An IP version nibble that contradicts the EtherType: the tracker ignores it, but the checksum of a translated packet
 * follows it.
 */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runScenario } from '../../../src/cli/verify/scenario.ts';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { scenarioPath } from '../../support/fixtures.ts';
import { udp } from '../../support/frames.ts';

const ENDS = { src: '10.0.0.1', dst: '198.51.100.1', sport: 1000, dport: 53 };
const TO_ANOTHER = new CtAction({ zone: 0, commit: true, nat: { action: ['src'], minAddr: '192.0.2.1' } });
const IP_AT = 14;

/** The frame with another version nibble, and the header checksum to match. */
function withNibble(frame: Buffer, nibble: number): Buffer {
  const changed = Buffer.from(frame);
  const first = changed[IP_AT]!;
  changed[IP_AT] = (nibble << 4) | (first & 0xf);
  let sum = 0;
  changed.writeUInt16BE(0, IP_AT + 10);
  for (let at = IP_AT; at < IP_AT + 20; at += 2) {
    sum += changed.readUInt16BE(at);
  }
  sum = (sum & 0xffff) + (sum >>> 16);
  changed.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, IP_AT + 10);
  return changed;
}

/** The frame after a pass that translates. `behind` lies in memory directly behind the frame. */
function translated(frame: Buffer, behind = 0): Buffer {
  const ct = new Conntrack({ maxParticipants: 1 });
  const batch = PacketBatch.allocate();
  batch.add(frame);
  const bytes = new Uint8Array(batch.words.buffer);
  const start = batch.frame(0).byteOffset;
  bytes.fill(behind, start + frame.length, start + frame.length + 64);
  ct.execute(batch, TO_ANOTHER, 0);
  return Buffer.from(batch.frame(0));
}

describe('a version nibble that contradicts the EtherType', () => {
  it.each(['version-nibble', 'version-nibble-nat-tcp'])('%s gives the recorded verdicts', (name) => {
    const text = readFileSync(scenarioPath(name), 'utf8');
    expect(runScenario(text, { reclaim: 'sweep' }).difference).toBeUndefined();
  });

  it.each([0, 5, 6, 15])('%i in IPv4: the UDP checksum is summed over an IPv6 pseudo header', (nibble) => {
    const frame = Buffer.concat([withNibble(udp(ENDS, Buffer.from('abc')), nibble), Buffer.alloc(40, 0x5a)]);
    const after = translated(frame);
    const ip = Buffer.from(after.subarray(IP_AT));
    const checksum = ip.readUInt16BE(26);
    ip.writeUInt16BE(0, 26);
    /* Addresses from byte 8 on, the next header in byte 6, 11 bytes of UDP. */
    let sum = ip[6]! + 11;
    for (const [from, bytes] of [
      [8, 32],
      [20, 10],
    ] as const) {
      for (let at = from; at < from + bytes; at += 2) {
        sum += ip.readUInt16BE(at);
      }
    }
    sum += ip[30]! << 8;
    sum = (sum & 0xffff) + (sum >>> 16);
    expect(checksum).toBe(~((sum & 0xffff) + (sum >>> 16)) & 0xffff || 0xffff);
  });

  it('the memory behind a short frame does not matter', () => {
    const frame = withNibble(udp(ENDS), 6);
    expect(frame.length).toBeLessThan(IP_AT + 40);
    expect(translated(frame, 0xff)).toEqual(translated(frame, 0));
  });

  it('a UDP packet without a checksum stays without', () => {
    const frame = withNibble(udp(ENDS), 6);
    frame.writeUInt16BE(0, IP_AT + 26);
    expect(translated(frame).readUInt16BE(IP_AT + 26)).toBe(0);
  });
});
