/** Makes malformed frames. */

import { seal } from '../attacks/frames.ts';

/** Length of the Ethernet and IPv4 headers. */
const HEADERS_BYTES = 34;

/** A frame that is shorter, longer, or has other bytes or bits. Half of them get valid checksums. */
export function mutated(frame: Buffer, random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  let changed = Buffer.from(frame);
  switch (below(4)) {
    case 0:
      changed = changed.subarray(0, below(changed.length + 1));
      break;
    case 1:
      changed = Buffer.concat([changed, Buffer.alloc(below(64), below(256))]);
      break;
    default:
  }
  for (let changes = below(6); changes > 0 && changed.length > 0; changes--) {
    const at = random() < 0.7 ? below(Math.min(changed.length, 60)) : below(changed.length);
    changed[at] = random() < 0.5 ? below(256) : changed[at]! ^ (1 << below(8));
  }
  return changed.length >= HEADERS_BYTES && random() < 0.5 ? seal(changed) : changed;
}
