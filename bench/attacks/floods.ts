/** Floods of connections, fragments and FTP commands, and exhaustion of the ports of a translation. */

import { MAX_EXPECTATIONS_PER_PARENT } from '../../src/core/alg/expectation-layout.ts';
import { CtAction } from '../../src/core/action.ts';
import { ChecksumBit } from '../../src/core/packet/layout.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import type { TableFull } from '../../src/core/memory/table-options.ts';
import { NAT_ADDRESS } from '../workloads/established.ts';
import { StepBatch, TcpFlag } from '../workloads/step-batch.ts';
import type { Attack, Target, Traffic } from './attack.ts';
import { searchBound } from './bounds.ts';
import { ESTABLISHED } from './established.ts';
import { fragmentFrame, fragmentedDatagram, type FrameEnds, ftpEnds, TcpBit, tcpSegment, reversed } from './frames.ts';
import { randomTuples } from './tuples.ts';

const COMMIT = new CtAction({ commit: true });
const GOOD = { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD };
/** Batches in a millisecond, which makes two million packets a second. */
export const BATCHES_PER_MS = 64;
const FRAME_BYTES = 1 << 17;

/** Batches of the frames that `frame` makes, in order. */
export function frames(target: Target, action: CtAction, frame: () => Uint8Array): Traffic {
  const batch = PacketBatch.allocate(FRAME_BYTES);
  return {
    action,
    next: () => {
      batch.clear();
      for (let i = 0; i < MAX_BATCH; i++) {
        batch.add(frame(), GOOD);
      }
      target.nowMs += 1 / BATCHES_PER_MS;
      return batch;
    },
  };
}

/** SYNs from random sources to random ports. */
function syns(target: Target): Traffic {
  const step = new StepBatch({ protocol: 'tcp', batchSize: MAX_BATCH });
  step.fillTcp(0, MAX_BATCH, TcpFlag.SYN, 1000, 0);
  return {
    action: COMMIT,
    next: () => {
      step.fillTuples(randomTuples(target, MAX_BATCH), 0, MAX_BATCH);
      target.nowMs += 1 / BATCHES_PER_MS;
      return step.batch;
    },
  };
}

function synFlood(tableFull: TableFull, description: string): Attack {
  return {
    description,
    tableOf: ({ connections }) => ({ maxConnections: connections + 2 * ESTABLISHED, tableFull }),
    ordinary: syns,
    attack: syns,
  };
}

const CLIENTS = 0x0b000000;
const SERVER = 0x0a020001;
const PIECE_BYTES = 1400;

/** Datagrams of two fragments. The second fragment comes only if `isWhole`. */
function datagrams(target: Target, isWhole: boolean): Traffic {
  let sent = 0;
  let pieces: Buffer[] = [];
  return frames(target, COMMIT, () => {
    if (pieces.length === 0) {
      const number = sent++;
      const ends = {
        src: CLIENTS + (isWhole ? number & 0xff : number & 0xffffff),
        dst: SERVER,
        sport: 1000,
        dport: 2000,
      };
      pieces = fragmentedDatagram(ends, number & 0xffff, 2 * PIECE_BYTES, PIECE_BYTES);
      if (!isWhole) {
        pieces.pop();
      }
    }
    return pieces.shift()!;
  });
}

/** Datagrams of the greatest length, in fragments in mixed order, with one missing. They make the longest lists. */
function gaps(target: Target): Traffic {
  const bytes = 65_000;
  const places = Math.ceil(bytes / PIECE_BYTES);
  let sent = 0;
  return frames(target, COMMIT, () => {
    const number = Math.floor(sent / (places - 1));
    /* 17 shares no factor with the number of places, so every place gets its turn. */
    const place = 1 + (((sent++ % (places - 1)) * 17) % (places - 1));
    const ends = { src: CLIENTS + number, dst: SERVER, sport: 1000, dport: 2000 };
    const offset = place * PIECE_BYTES;
    const part = Math.min(PIECE_BYTES, bytes - offset);
    return fragmentFrame(ends, { id: number & 0xffff, offset, bytes: part, more: offset + part < bytes }, bytes);
  });
}

/** Control connections that announce `perConnection` different data connections each. */
function ftpCommands(target: Target, perConnection: number): Traffic {
  const { conntrack, packets } = target;
  const action = new CtAction({ commit: true, helper: 'ftp' });
  const connections = Math.max(16, Math.ceil(packets / 2 / perConnection));
  const clients = Array.from({ length: connections }, (_, index) => {
    const ends: FrameEnds = { src: CLIENTS + index, dst: SERVER, sport: 40_000, dport: 21 };
    return { ends, seq: 1000, ack: 5000, announced: 0 };
  });
  const opening = PacketBatch.allocate(FRAME_BYTES);
  for (const client of clients) {
    opening.clear();
    const { ends } = client;
    opening.add(tcpSegment(ends, { flags: TcpBit.SYN, seq: client.seq++, ack: 0 }), GOOD);
    opening.add(
      tcpSegment(reversed(ends), { flags: TcpBit.SYN | TcpBit.ACK, seq: client.ack++, ack: client.seq }),
      GOOD,
    );
    opening.add(tcpSegment(ends, { flags: TcpBit.ACK, seq: client.seq, ack: client.ack }), GOOD);
    conntrack.execute(opening, action, target.nowMs);
  }
  let turn = 0;
  let isAnswer = false;
  return frames(target, action, () => {
    const client = clients[turn]!;
    const { ends } = client;
    if (isAnswer) {
      isAnswer = false;
      turn = (turn + 1) % connections;
      return tcpSegment(reversed(ends), { flags: TcpBit.ACK, seq: client.ack, ack: client.seq });
    }
    isAnswer = true;
    const text = `PORT ${ftpEnds(ends.src, 1024 + (client.announced++ % 60_000))}\r\n`;
    const segment = tcpSegment(ends, {
      flags: TcpBit.PSH | TcpBit.ACK,
      seq: client.seq,
      ack: client.ack,
      text,
    });
    client.seq += text.length;
    return segment;
  });
}

const NAT_PORTS = 1024;

/** Clients behind translated addresses. Each opens one connection to the same port of the same server. */
function translated(target: Target, addresses: number, ports: number): Traffic {
  const last = NAT_ADDRESS.replace(/\d+$/, String(1 + addresses));
  const action = new CtAction({
    commit: true,
    nat: {
      action: ['src'],
      minAddr: NAT_ADDRESS.replace(/\d+$/, '2'),
      maxAddr: last,
      minPort: 1024,
      maxPort: 1023 + ports,
    },
  });
  const step = new StepBatch({ protocol: 'udp', batchSize: MAX_BATCH });
  return {
    action,
    next: () => {
      const tuples = randomTuples(target, MAX_BATCH, { dst: SERVER, dport: 53 });
      step.fillGrid(0, MAX_BATCH);
      step.fillTuples(tuples, 0, MAX_BATCH);
      target.nowMs += 1 / BATCHES_PER_MS;
      return step.batch;
    },
  };
}

export const FLOODS = {
  'syn-flood': synFlood('refuse', 'SYNs from random sources into a table that gets full and refuses'),
  'syn-flood-early-drop': synFlood('early-drop', 'the same into one that evicts'),
  'fragment-flood': {
    description: 'first fragments without the second, against whole datagrams of two fragments',
    tableOf: ({ connections }) => ({ maxConnections: connections + 2 * ESTABLISHED }),
    ordinary: (target) => datagrams(target, true),
    attack: (target) => datagrams(target, false),
  },
  'fragment-gaps': {
    description: 'datagrams of 46 fragments in mixed order without the first, against whole datagrams of two fragments',
    tableOf: ({ connections }) => ({ maxConnections: connections + 2 * ESTABLISHED }),
    ordinary: (target) => datagrams(target, true),
    attack: gaps,
  },
  'ftp-expectations': {
    description: 'many FTP announcements on few control connections, against few on many',
    tableOf: ({ packets }) => ({ maxConnections: packets + 2 * ESTABLISHED }),
    ordinary: (target) => ftpCommands(target, 4),
    attack: (target) => ftpCommands(target, MAX_EXPECTATIONS_PER_PARENT),
  },
  'port-exhaustion': {
    description: `clients behind one address and ${NAT_PORTS} ports, against clients behind many`,
    tableOf: ({ packets }) => ({ maxConnections: packets + 2 * ESTABLISHED }),
    ordinary: (target) => translated(target, 16, 64_512),
    attack: (target) => translated(target, 1, NAT_PORTS),
    bounds: ({ before, after }) => [
      { what: 'translated connections', value: after.connections - before.connections, limit: NAT_PORTS },
      searchBound(after),
    ],
  },
} as const satisfies Record<string, Attack>;
