/**
 * The memory of a table that the packet module can use: its words and packets in one WebAssembly memory, whose buffer is a
 * SharedArrayBuffer. WebAssembly reaches 4 GiB, and only its own memory.
 *
 *   word 0               the table's words (memory-layout.ts)
 *   zone lists           on the next pair of lines (zones/zone-lists-layout.ts)
 *   packets              a pair of lines: NEXT. Then memory of batches and rings, given out once and never taken back
 */

import { add, allocateWords, CHECKED, type Words } from '../../shared/access.ts';
import { LINE_WORDS, evenLines } from '../../shared/memory/cache-line.ts';
import { type WasmMemory, webAssembly } from './web-assembly.ts';
import { PROFILED } from '../../shared/sync/lock-profile.ts';

const PAGE_WORDS = 16_384;
const MAX_PAGES = 65_536;
/** Words for packets: 256 MiB. The system commits only what is used. */
const PACKET_WORDS: number = 2 ** 26;

/** The next free word of the packets. atomic: any thread takes memory. */
const NEXT = 0;

/** What a thread needs beside the table's words to run the module on them. */
export interface ModuleMemory {
  readonly memory: WasmMemory;
  /** The byte of `memory` at which the memory for packets begins, and its words. */
  readonly packetsByte: number;
  readonly packetWords: number;
}

/** Memory of a table (TrackerMemory), as a batch sees it that is to lie beside the table. */
export interface PacketPlace {
  readonly words: Words;
  readonly module?: ModuleMemory | undefined;
}

/**
 * Checked and profiled processes run JavaScript: their locks and accesses do more than those of the module.
 * CT_PACKET_PATH=javascript does the same in a plain process.
 */
export const USES_MODULE: boolean = !CHECKED && !PROFILED && process.env['CT_PACKET_PATH'] !== 'javascript';

/** The regions of a table that the module uses. */
export interface TableRegions {
  readonly words: Words;
  readonly zoneLists: Words;
  readonly module: ModuleMemory | undefined;
}

/** The byte at which the zone lists begin in module memory. */
export function zoneListsByte(words: number): number {
  return evenLines(words) * 4;
}

/**
 * Reserves a table's words and zone lists, as module memory if possible.
 * @throws RangeError if the system refuses so much memory
 */
export function allocateTable(words: number, zoneListWords: number): TableRegions {
  const packets = evenLines(words) + evenLines(zoneListWords);
  const pages = Math.ceil((packets + PACKET_WORDS) / PAGE_WORDS);
  const memory = USES_MODULE && pages <= MAX_PAGES ? reserved(pages) : undefined;
  if (memory === undefined) {
    return { words: allocateWords(words), zoneLists: allocateWords(zoneListWords), module: undefined };
  }
  const buffer = memory.buffer;
  const module = { memory, packetsByte: packets * 4, packetWords: PACKET_WORDS };
  packetsOf(module)[NEXT] = 2 * LINE_WORDS;
  const zoneLists = new Int32Array(buffer, zoneListsByte(words), zoneListWords);
  return { words: new Int32Array(buffer, 0, words), zoneLists, module };
}

/** V8 reserves more address space for a memory than it has pages. So it may fail where plain memory does not. */
function reserved(pages: number): WasmMemory | undefined {
  if (webAssembly === undefined) {
    return undefined;
  }
  try {
    return new webAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    if (error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

function packetsOf({ memory, packetsByte, packetWords }: ModuleMemory): Words {
  return new Int32Array(memory.buffer, packetsByte, packetWords);
}

/** Memory for packets beside a table, or elsewhere when none is left. It is never taken back. */
export function allocatePacketWords(module: ModuleMemory | undefined, words: number): Words {
  if (module === undefined) {
    return allocateWords(words);
  }
  const taken = evenLines(words);
  const packets = packetsOf(module);
  const start = add(packets, NEXT, taken);
  if (start + taken > packets.length) {
    add(packets, NEXT, -taken);
    return allocateWords(words);
  }
  return packets.subarray(start, start + words);
}
