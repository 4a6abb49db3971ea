/** The control socket's server: requests, limits, slow readers, clients that disconnect, and its end. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, existsSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import { MAX_REQUEST_BYTES } from '../../src/workers/control/protocol.ts';
import { ControlServer, type Responder } from '../../src/workers/control/server.ts';
import { answerOn, ask, request } from '../support/running.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-server-'));
afterAll(() => rmSync(folder, { recursive: true }));

let servers = 0;

async function listening(respond: Responder): Promise<{ path: string; server: ControlServer }> {
  const path = join(folder, `${++servers}.sock`);
  const server = await ControlServer.listen(path, respond);
  onTestFinished(() => server.close(0));
  return { path, server };
}

function* endlessly(piece: string): Generator<string> {
  for (;;) {
    yield piece;
  }
}

const ECHO: Responder = (asked) => [JSON.stringify(asked)];

describe('a client of the control server', () => {
  it('is refused at once if 64 others are connected, and is served when one of them has left', async () => {
    const { path } = await listening(ECHO);
    const silent = await Promise.all(Array.from({ length: 64 }, () => request(path, '')));
    const reply = await ask(path, 'a');
    expect(reply).toMatchObject({ exitCode: 1, text: '' });
    expect(reply.error).toMatch(/^the tracker already serves 64 clients; try again$/);
    silent[0]!.destroy();
    await once(silent[0]!, 'close');
    await expect.poll(async () => (await ask(path, 'a')).exitCode).toBe(0);
    silent.forEach((socket) => socket.destroy());
  });

  it('is disconnected if it stays after its answer', async () => {
    const { path } = await listening(ECHO);
    const socket = connect({ path, allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write('{"command":"a"}\n');
    socket.resume();
    await once(socket, 'end');
    /* Our half-open end sees only by writing that the server has closed. */
    await expect
      .poll(
        () => {
          socket.write('still here');
          return socket.destroyed;
        },
        { timeout: 120_000, interval: 100 },
      )
      .toBe(true);
  });
});

describe('a request to the control server', () => {
  it('reaches the command whole, with false for each flag that it leaves out', async () => {
    const { path } = await listening(ECHO);
    const { text, exitCode } = await ask(path, 'dump', ['zone=5', ''], { more: true });
    expect(exitCode).toBe(0);
    const asked = { command: 'dump', args: ['zone=5', ''], json: false, more: true, statistics: false };
    expect(JSON.parse(text)).toEqual(asked);
  });

  it('may arrive in pieces, even cut inside a character', async () => {
    const { path } = await listening(ECHO);
    const bytes = Buffer.from('{"command":"zürich"}\n');
    const socket = await request(path, '');
    for (const byte of bytes) {
      socket.write(Buffer.of(byte));
      await new Promise((done) => setImmediate(done));
    }
    expect(JSON.parse((await answerOn(socket)).text)).toMatchObject({ command: 'zürich', args: [] });
  });

  it.each([
    ['text that is not JSON', 'dump-conntrack\n', /one line of JSON/],
    ['an array for an object', '[]\n', /JSON object/],
    ['null', 'null\n', /JSON object/],
    ['no command', '{}\n', /must name its command/],
    ['arguments that are not a list', '{"command":"a","args":"b"}\n', /"args"/],
    ['an argument that is not a string', '{"command":"a","args":[1]}\n', /"args"/],
    ['a flag that is not a boolean', '{"command":"a","json":1}\n', /"json"/],
    ['more bytes than allowed', `{"command":"${'a'.repeat(MAX_REQUEST_BYTES)}"}\n`, /may have at most 65536 bytes/],
    ['more bytes than allowed and no line end', 'a'.repeat(MAX_REQUEST_BYTES + 1), /may have at most 65536 bytes/],
  ])('with %s gets a one-line error and exit code 2', async (_what, line, says) => {
    const { path } = await listening(ECHO);
    const reply = await answerOn(await request(path, line));
    expect(reply).toMatchObject({ exitCode: 2, text: '' });
    expect(reply.error).toMatch(says);
    expect(reply.error).not.toContain('\n');
  });

  it('of exactly the greatest allowed length is answered', async () => {
    const { path } = await listening(ECHO);
    const frame = '{"command":""}\n';
    const line = frame.replace('""', `"${'a'.repeat(MAX_REQUEST_BYTES - frame.length)}"`);
    expect(await answerOn(await request(path, line))).toMatchObject({ exitCode: 0 });
  });
});

describe('an answer of the control server', () => {
  it('ends with the error, after the text that came before it', async () => {
    const { path } = await listening(function* () {
      yield 'one';
      throw new UsageError('no two');
    });
    expect(await ask(path, 'any')).toEqual({ text: 'one', exitCode: 2, error: 'no two' });
  });

  it('names an internal error, and later requests are still answered', async () => {
    const { path } = await listening(({ command }) => {
      if (command === 'broken') {
        throw new TypeError('oops');
      }
      return ['fine'];
    });
    expect(await ask(path, 'broken')).toEqual({ text: '', exitCode: 1, error: 'internal error: oops' });
    expect(await ask(path, 'other')).toEqual({ text: 'fine', exitCode: 0 });
  });

  it('is produced no faster than its reader reads, while other clients get theirs', async () => {
    const piece = 'x'.repeat(65_536);
    let pieces = 0;
    const { path } = await listening(function* ({ command }) {
      if (command === 'other') {
        return yield 'short';
      }
      for (;;) {
        pieces++;
        yield piece;
      }
    });
    const slow = await request(path, { command: 'endless' });
    slow.pause();
    const OTHERS = 500;
    for (let other = 0; other < OTHERS; other++) {
      expect((await ask(path, 'other')).text).toBe('short');
    }
    /* The server fills the buffers of both sockets and of the kernel. It must not add a piece in each of its turns. */
    expect(pieces).toBeGreaterThan(0);
    expect(pieces).toBeLessThan(OTHERS / 5);
    const before = pieces;
    slow.resume();
    let readBytes = 0;
    for await (const chunk of slow) {
      readBytes += (chunk as Buffer).length;
      if (readBytes > 100 * piece.length) {
        break;
      }
    }
    expect(pieces).toBeGreaterThan(before);
  });

  it('is cancelled when its reader disconnects, both while it is written and while it waits', async () => {
    const given: string[] = [];
    let giveUp = () => {};
    const bothGivenUp = new Promise<void>((done) => {
      giveUp = () => given.length === 2 && done();
    });
    const { path } = await listening(async function* ({ command }, signal) {
      try {
        yield 'begin';
        if (command === 'endless') {
          yield* endlessly('x'.repeat(65_536));
        }
        await once(signal, 'abort');
      } finally {
        given.push(command);
        giveUp();
      }
    });
    for (const command of ['endless', 'waits']) {
      const socket = await request(path, { command });
      await once(socket, 'data');
      socket.destroy();
    }
    await bothGivenUp;
    expect(given.toSorted()).toEqual(['endless', 'waits']);
  });
});

describe('the end of the control server', () => {
  it('ends running answers with a reason, drops a slow reader after the grace period, and removes the socket', async () => {
    let isOver = 0;
    const { path, server } = await listening(async function* ({ command }, signal) {
      try {
        yield 'begin';
        if (command === 'endless') {
          yield* endlessly('x'.repeat(65_536));
        }
        await once(signal, 'abort');
      } finally {
        isOver++;
      }
    });
    const waiting = answerOn(await request(path, { command: 'waits' }));
    const slow = await request(path, { command: 'endless' });
    await once(slow, 'data');
    slow.pause();
    const closed = once(slow, 'close');
    await server.close(300);
    expect(isOver).toBe(2);
    expect(existsSync(path)).toBe(false);
    slow.resume();
    slow.on('error', () => {});
    await closed;
    await expect(waiting).resolves.toMatchObject({
      text: 'begin',
      exitCode: 1,
      error: expect.stringMatching(/stopping/),
    });
  });

  it('waits for commands that take some time to end', async () => {
    let isOver = false;
    const { path, server } = await listening(async function* (_request, signal) {
      yield 'begin';
      await once(signal, 'abort');
      await setTimeout(50);
      isOver = true;
    });
    const socket = await request(path, { command: 'any' });
    await once(socket, 'data');
    await server.close(0);
    expect(isOver).toBe(true);
  });
});
