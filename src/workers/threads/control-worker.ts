/**
 * The control thread: has the control socket and does what is asked there on the table's memory, so that neither the
 * thread that feeds packets nor a PMD waits for it.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { Conntrack } from '../../core/conntrack.ts';
import { UsageError } from '../../core/errors.ts';
import { answerCommand } from '../control/commands.ts';
import { EventHub } from '../control/event-hub.ts';
import { ControlServer, type Answerer } from '../control/server.ts';
import { datapathTimeMs, type DatapathShare, endBeat, tellUp } from './status.ts';

export interface ControlTask {
  share: DatapathShare;
  path: string;
  /** Its place at the table, the token with which it takes it, and its line in the status words. */
  participant: number;
  token: number;
  line: number;
  /** It gives a sign of life so often, in ms. */
  beatMs: number;
}

/** What the thread says when it listens, or cannot. */
export type ControlReady = { listening: true } | { error: string };

/** Answers whose reader is slow are cut off so long after the stop. */
const GRACE_MS = 200;

const { share, path, participant, token, line, beatMs } = workerData as ControlTask;
const conntrack = Conntrack.attach(share.memory, { participant, token });

const events = new EventHub(conntrack);

/** Before the first packet has told a time, any will do: there is nothing in the table. */
function nowMs(): number {
  const timeMs = datapathTimeMs(share);
  return Number.isNaN(timeMs) ? 0 : timeMs;
}

const answer: Answerer = ({ command, args, json, more, statistics }, signal) => {
  return answerCommand(command, { conntrack, share, events, nowMs, json, more, statistics, signal }, args);
};

const port = parentPort!;
try {
  const server = await ControlServer.listen(path, answer);
  port.once('message', () => {
    void server.close(GRACE_MS).then(() => {
      conntrack.close({ keepsSlot: true });
      port.close();
    });
  });
  tellUp(share.status, line);
  setInterval(() => endBeat(share.status, line), beatMs).unref();
  port.postMessage({ listening: true } satisfies ControlReady);
} catch (error) {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  conntrack.close({ keepsSlot: true });
  port.postMessage({ error: error.message } satisfies ControlReady);
}
