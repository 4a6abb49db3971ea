/** The control thread. It owns the control socket and runs commands on the table, so that no PMD and no source waits for them. */

import { parentPort, workerData } from 'node:worker_threads';
import { Conntrack } from '../../core/conntrack.ts';
import { UsageError } from '../../core/errors.ts';
import { replyTo } from '../control/commands.ts';
import { EventHub } from '../control/event-hub.ts';
import { ControlServer, type Responder } from '../control/server.ts';
import { type Parcel, unpacked } from './parcel.ts';
import { datapathTimeMs, type DatapathShare, endBeat, markUp } from './status.ts';

export interface ControlTask {
  share: DatapathShare;
  path: string;
  /** Its participant slot. */
  participant: number;
  /** Lets it take the slot. */
  token: number;
  /** The first word of its status line. */
  line: number;
  /** Time between two heartbeats, in ms. */
  beatMs: number;
}

/** The first message of the thread: it listens, or it cannot. */
export type ControlReady = { listening: true } | { error: string };

/** After `stop`, replies to slow readers are cut off after this time. */
const GRACE_MS = 200;

const { share, path, participant, token, line, beatMs } = unpacked(workerData as Parcel<ControlTask>);
const conntrack = Conntrack.attach(share.memory, { participant, token });

const events = new EventHub(conntrack);

/** Before the first packet the table is empty, and any time will do. */
function nowMs(): number {
  const timeMs = datapathTimeMs(share);
  return Number.isNaN(timeMs) ? 0 : timeMs;
}

const respond: Responder = ({ command, args, json, more, statistics }, signal) => {
  return replyTo(command, { conntrack, share, events, nowMs, json, more, statistics, signal }, args);
};

const port = parentPort!;
try {
  const server = await ControlServer.listen(path, respond);
  port.once('message', () => {
    void server.close(GRACE_MS).then(() => {
      conntrack.close({ keepsSlot: true });
      port.close();
    });
  });
  markUp(share.status, line);
  setInterval(() => endBeat(share.status, line), beatMs).unref();
  port.postMessage({ listening: true } satisfies ControlReady);
} catch (error) {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  conntrack.close({ keepsSlot: true });
  port.postMessage({ error: error.message } satisfies ControlReady);
}
