/** The control socket: requests of clients with any arguments. Each gets an answer with a last line. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { COMMANDS, replyTo } from '../../../src/workers/control/commands.ts';
import type { CommandContext } from '../../../src/workers/control/command.ts';
import { EventHub } from '../../../src/workers/control/event-hub.ts';
import { type ControlRequest, parseRequest } from '../../../src/workers/control/protocol.ts';
import { type Responder, ControlServer } from '../../../src/workers/control/server.ts';
import { statusWords } from '../../../src/workers/threads/status.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { expectClearLine, expectComplaint } from '../complaints.ts';
import { Conversations } from '../conversations.ts';
import { Random } from '../random.ts';
import { Finding, type Tally, type Target } from '../target.ts';
import { mutatedBytes, mutatedJson, mutatedText } from '../text.ts';

interface ControlInput {
  /** The bytes that the client sends, with line feeds. Over the socket they go in two pieces. */
  line: Uint8Array;
  socket: boolean;
}

const ARGS = [
  'zone=5',
  'zone=0,limit=3',
  'default=7',
  'default',
  'mark=1/0xff',
  'labels=0x1/0xffffffffffffffffffffffffffffffff',
  'ct_nw_src=10.1.1.1,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2',
  'ct_ipv6_src=fd00::1,ct_nw_proto=58,icmp_type=128,icmp_code=0,icmp_id=1',
  'ct_nw_dst=0.0.0.0',
  'state=ESTABLISHED',
  'seen=replied',
  'gt=1',
  'verbose',
  '10',
  '0',
  'udp_first=10',
  'tcp_established=4294967295',
  'v4',
  'v6',
  '',
  "''",
] as const;
/** This command runs until its client disconnects. */
const ENDLESS = 'events';
const ANSWER_MS = 5000;

const names = Object.keys(COMMANDS);

let conntrack: Conntrack;
let context: Omit<CommandContext, 'json' | 'more' | 'statistics' | 'signal'>;
let server: ControlServer | undefined;
let folder = '';
let uses = 0;

function freshTable(): void {
  conntrack = new Conntrack({ buckets: 16, maxConnections: 1000, hashSeed: [1, 2] });
  const batch = PacketBatch.allocate(1 << 17);
  const conversations = new Conversations(new Random(7));
  for (let round = 0; round < 20; round++) {
    batch.clear();
    for (let i = 0; i < 16; i++) {
      batch.add(conversations.next());
    }
    conntrack.execute(batch, new CtAction({ commit: true, helper: 'ftp', zone: round & 1 }), 1000);
  }
  const share = {
    memory: conntrack.memory,
    status: allocateWords(statusWords(1)),
    clock: 'packets' as const,
    threads: 1,
  };
  context = { conntrack, share, events: new EventHub(conntrack), nowMs: () => 1000 };
}

async function prepare(): Promise<void> {
  freshTable();
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-fuzz-'));
  const respond: Responder = ({ command, args, json, more, statistics }, signal) =>
    replyTo(command, { ...context, json, more, statistics, signal }, args);
  server = await ControlServer.listen(join(folder, 'control'), respond);
}

async function end(): Promise<void> {
  await server?.close(100);
  rmSync(folder, { recursive: true });
}

function generate(random: Random): ControlInput {
  const args = Array.from({ length: random.below(4) }, () => {
    const arg = random.pick(ARGS);
    return random.oneIn(2) ? arg : mutatedText(random, arg);
  });
  const command = random.oneIn(30) ? mutatedText(random, random.pick(names)) : random.pick(names);
  const request = { command, args, json: random.oneIn(2), more: random.oneIn(2), statistics: random.oneIn(2) };
  const whole = random.oneIn(6) ? mutatedJson(random, request) : request;
  const socket = random.oneIn(50);
  const text = `${JSON.stringify(whole)}${socket && random.oneIn(20) ? ' '.repeat(70_000) : ''}\n`;
  const line = new TextEncoder().encode(random.oneIn(12) ? mutatedText(random, text) : text);
  return { line: Uint8Array.from(random.oneIn(20) ? mutatedBytes(random, Uint8Array.from(line)) : line), socket };
}

/** Answers a request as the server does, without a socket. @returns the result for the tally */
async function answered(text: string): Promise<string> {
  let request: ControlRequest;
  try {
    request = parseRequest(text);
  } catch (error) {
    expectComplaint(error);
    return 'no request';
  }
  const gone = new AbortController();
  if (request.command === ENDLESS) {
    setImmediate(() => gone.abort());
  }
  const { command, args, json, more, statistics } = request;
  let answer = '';
  try {
    for await (const piece of replyTo(command, { ...context, json, more, statistics, signal: gone.signal }, args)) {
      if (typeof piece !== 'string') {
        throw new Finding(`${command} answers with a ${typeof piece}`);
      }
      answer += piece;
    }
  } catch (error) {
    expectComplaint(error);
    return 'refused';
  }
  if (json && answer !== '' && command !== ENDLESS) {
    JSON.parse(answer);
  }
  return 'answered';
}

/** Sends a request over the socket. @returns the result for the tally */
async function talked({ line }: ControlInput): Promise<string> {
  const socket = connect(join(folder, 'control'));
  await once(socket, 'connect');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  const middle = line.length >> 1;
  socket.write(line.subarray(0, middle));
  setImmediate(() => socket.write(line.subarray(middle)));
  if (!line.includes(10) || new TextDecoder().decode(line).includes(ENDLESS)) {
    setImmediate(() => socket.end());
  }
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
  await closed;
  clearTimeout(timer);
  const lines = Buffer.concat(chunks).toString('utf8').split('\n');
  const last = lines.at(-2);
  if (last === undefined) {
    return 'left';
  }
  const reply = JSON.parse(last) as { exitCode?: number; error?: string; text?: string };
  if (reply.error !== undefined) {
    expectClearLine(reply.error);
    if (reply.error.startsWith('internal error')) {
      throw new Finding(`the server answers: ${reply.error}`);
    }
  }
  return reply.exitCode === undefined ? 'cut off' : `exit code ${reply.exitCode}`;
}

async function run(input: ControlInput, tally: Tally): Promise<number> {
  if (uses++ % 500 === 0) {
    freshTable();
  }
  if (input.socket) {
    tally.add(`socket: ${await talked(input)}`);
    return 1;
  }
  const text = new TextDecoder().decode(input.line).split('\n')[0]!;
  tally.add(await answered(text));
  return 1;
}

export const control: Target<ControlInput> = {
  name: 'control',
  about: 'requests to the control socket (`ctl`): each gets an answer',
  weight: 1,
  prepare,
  generate,
  run,
  end,
};
