/**
 * The side thread of a soak. It works on the datapath's table in zones of its own, and does what the single action of the PMDs
 * cannot: FTP, floods of SYNs and fragments, exhaustion of a translation's ports, malformed packets, marks and force. It also
 * changes settings (steer.ts). It times every batch.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { ChecksumBit } from '../../src/core/packet/layout.ts';
import { load, notify, store, wait } from '../../src/shared/access.ts';
import {
  echoFrame,
  fragmentedDatagram,
  type FrameEnds,
  ftpEnds,
  TcpBit,
  tcpSegment,
  reversed,
  udpFrame,
} from '../attacks/frames.ts';
import { recordLatency } from '../samples/latency-histogram.ts';
import { seededRandom } from '../statistics/statistics.ts';
import { mutated } from './mutate.ts';
import { SoakZone } from './options.ts';
import { Command, SideWord, SideWords } from './side-words.ts';
import { Steering } from './steer.ts';

export interface SideTask {
  memory: TrackerMemory;
  shared: SharedArrayBuffer;
  seed: number;
}

const { memory, shared, seed } = workerData as SideTask;
const side = new SideWords(shared);
const conntrack = Conntrack.attach(memory);
const random = seededRandom(seed ^ 0x51de);
const batch = PacketBatch.allocate(1 << 17);
const GOOD = { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD };
const SERVER = 0x0a0a0001;

const below = (limit: number) => Math.floor(random() * limit);
const client = (bits: number) => 0x0b000000 + below(1 << bits);
const port = () => 1024 + below(60_000);

function send(action: CtAction, frames: readonly Uint8Array[], metadata = GOOD): void {
  for (let from = 0; from < frames.length; from += MAX_BATCH) {
    batch.clear();
    for (const frame of frames.slice(from, from + MAX_BATCH)) {
      batch.add(frame, metadata);
    }
    const { count } = batch;
    const startMs = performance.now();
    conntrack.execute(batch, action, side.timeMs);
    const ns = (performance.now() - startMs) * 1e6;
    recordLatency(side.bins, ns);
    side.note(count, ns);
  }
}

function many(frame: () => Uint8Array): Uint8Array[] {
  return Array.from({ length: MAX_BATCH }, frame);
}

const FTP = new CtAction({ zone: SoakZone.ftp, commit: true, helper: 'ftp' });
const FTP_DATA = new CtAction({ zone: SoakZone.ftp, commit: true });
const ANNOUNCED = 20;
/** Pieces of work for one change of settings, on average. */
const WORK_PER_CHANGE = 30;

/** A control connection announces data connections. Some are opened. It then ends, or goes silent. */
function ftp(): void {
  const ends: FrameEnds = { src: client(12), dst: SERVER, sport: port(), dport: 21 };
  let seq = 1000;
  const ack = 5001;
  send(FTP, [
    tcpSegment(ends, { flags: TcpBit.SYN, seq: seq++, ack: 0 }),
    tcpSegment(reversed(ends), { flags: TcpBit.SYN | TcpBit.ACK, seq: ack - 1, ack: seq }),
    tcpSegment(ends, { flags: TcpBit.ACK, seq, ack }),
  ]);
  const commands: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  for (let i = 1 + below(ANNOUNCED); i > 0; i--) {
    const dataPort = port();
    const text = `PORT ${ftpEnds(ends.src, dataPort)}\r\n`;
    commands.push(tcpSegment(ends, { flags: TcpBit.PSH | TcpBit.ACK, seq, ack, text }));
    seq += text.length;
    commands.push(tcpSegment(reversed(ends), { flags: TcpBit.ACK, seq: ack, ack: seq }));
    const opening = { src: ends.dst, dst: ends.src, sport: 20, dport: dataPort };
    data.push(tcpSegment(opening, { flags: TcpBit.SYN, seq: 7, ack: 0 }));
  }
  send(FTP, commands);
  send(FTP_DATA, data);
  if (random() < 0.8) {
    send(FTP, [tcpSegment(ends, { flags: TcpBit.RST, seq, ack })]);
  }
}

const FLOOD = new CtAction({ zone: SoakZone.flood, commit: true });

function synFlood(): void {
  const dst = SERVER + below(16);
  send(
    FLOOD,
    many(() => tcpSegment({ src: client(24), dst, sport: port(), dport: 80 }, { flags: TcpBit.SYN, seq: 1, ack: 0 })),
  );
}

const EXHAUSTION = new CtAction({
  zone: SoakZone.exhaustion,
  commit: true,
  nat: { action: ['src'], minAddr: '10.8.0.1', minPort: 2000, maxPort: 2003 },
});

function exhaustPorts(): void {
  send(EXHAUSTION, many(() => udpFrame({ src: client(16), dst: SERVER, sport: port(), dport: 53 })).slice(0, 8));
}

const FRAGMENTS = new CtAction({ zone: SoakZone.fragments, commit: true });

/** Fragmented datagrams in mixed order, some with a fragment missing. */
function fragments(): void {
  const frames = Array.from({ length: 8 }, () => {
    const ends = { src: client(16), dst: SERVER, sport: port(), dport: 69 };
    const pieces = fragmentedDatagram(ends, below(0x10000), 1400 * (2 + below(3)), 1400);
    if (random() < 0.4) {
      pieces.splice(below(pieces.length), 1);
    }
    return pieces;
  }).flat();
  for (let i = frames.length - 1; i > 0; i--) {
    const j = random() < 0.3 ? below(i + 1) : i;
    [frames[i], frames[j]] = [frames[j]!, frames[i]!];
  }
  send(FRAGMENTS, frames);
}

const MALFORMED = [
  new CtAction({ zone: SoakZone.malformed, commit: true }),
  new CtAction({ zone: SoakZone.malformed, commit: true, helper: 'ftp' }),
  new CtAction({ zone: SoakZone.malformed, nat: { action: [] } }),
  new CtAction({ zone: SoakZone.malformed, commit: true, nat: { action: ['dst'], minAddr: '10.7.0.1' } }),
];
const UNKNOWN = { checksums: 0 };

function malformed(): void {
  const ends = { src: client(10), dst: SERVER, sport: port(), dport: random() < 0.2 ? 21 : 80 };
  const seeds = [
    udpFrame(ends, below(40)),
    tcpSegment(ends, {
      flags: below(64),
      seq: below(0xffffffff),
      ack: below(0xffffffff),
      text: 'PORT 1,2,3,4,5,6\r\n',
    }),
    echoFrame(ends, random() < 0.5),
    ...fragmentedDatagram(ends, below(64), 2800, 1400),
  ];
  const frames = many(() => mutated(seeds[below(seeds.length)]!, random));
  send(MALFORMED[below(MALFORMED.length)]!, frames, random() < 0.5 ? UNKNOWN : GOOD);
}

const MARKS = [
  new CtAction({ zone: SoakZone.marks, commit: true, mark: { value: 5, mask: 0xff } }),
  new CtAction({ zone: SoakZone.marks, force: true, label: { value: 'ab', mask: 'ff' } }),
  new CtAction({ zone: SoakZone.marks, commit: true, timeoutPolicy: 9 }),
];

/** A few tuples in both directions, with marks, labels, and force. */
function marks(): void {
  send(
    MARKS[below(MARKS.length)]!,
    many(() => {
      const ends = { src: client(6), dst: SERVER, sport: 4000, dport: 4000 };
      return udpFrame(random() < 0.5 ? ends : reversed(ends));
    }),
  );
}

const steering = new Steering(conntrack, random);

function steer(): void {
  if (below(WORK_PER_CHANGE) === 0) {
    steering.act(side.timeMs);
    for (const failure of steering.failures.splice(0)) {
      parentPort!.postMessage(failure);
    }
  }
}

const WORK = [ftp, synFlood, synFlood, exhaustPorts, fragments, malformed, malformed, marks];

let rounds = 0;
for (let command = load(side.words, SideWord.COMMAND); command !== Command.end; ) {
  if (command === Command.stand) {
    store(side.words, SideWord.STANDS, 1);
    notify(side.words, SideWord.STANDS, 1);
    wait(side.words, SideWord.COMMAND, Command.stand, 1000);
  } else {
    store(side.words, SideWord.STANDS, 0);
    /* Do each piece of work at least once, even in a short soak. */
    WORK[rounds < WORK.length ? rounds : below(WORK.length)]!();
    rounds++;
    steer();
    /* Pause, so that this thread does not take a whole core. */
    wait(side.words, SideWord.COMMAND, Command.run, 1);
  }
  command = load(side.words, SideWord.COMMAND);
}
store(side.words, SideWord.STANDS, 1);
notify(side.words, SideWord.STANDS, 1);
conntrack.close();
