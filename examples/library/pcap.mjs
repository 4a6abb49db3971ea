/** Reads and writes captures in the classic format (microseconds, little-endian), and makes UDP frames. */
const HEADER = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex');

/** The packets of a capture: frames, and times in ms. */
export function* readPcap(capture) {
  for (let at = HEADER.length; at + 16 <= capture.length; ) {
    const bytes = capture.readUInt32LE(at + 8);
    const timeMs = capture.readUInt32LE(at) * 1000 + Math.floor(capture.readUInt32LE(at + 4) / 1000);
    yield { timeMs, frame: capture.subarray(at + 16, at + 16 + bytes) };
    at += 16 + bytes;
  }
}

/** A capture of these frames, all at time 0. */
export function pcapOf(frames) {
  const records = frames.map((frame) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([HEADER, ...records]);
}

/** An Ethernet frame with an empty UDP packet. */
export function udpFrame({ src, dst, sport, dport }) {
  const headers = '0200000000020200000000010800' + '4500001c0000000040110000';
  const frame = Buffer.concat([Buffer.from(headers, 'hex'), Buffer.alloc(16)]);
  Buffer.from(`${src}.${dst}`.split('.').map(Number)).copy(frame, 26);
  frame.writeUInt16BE(sport, 34);
  frame.writeUInt16BE(dport, 36);
  frame.writeUInt16BE(8, 38);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) {
    sum += frame.readUInt16BE(at);
  }
  sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 24);
  return frame;
}
