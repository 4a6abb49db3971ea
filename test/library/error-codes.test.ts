/** Every error that the library throws on purpose has a documented code. */

import { describe, expect, it } from 'vitest';
import {
  Conntrack,
  CtAction,
  Datapath,
  DatapathError,
  ErrorCode,
  LockTimeoutError,
  UsageError,
} from '../../src/index.ts';
import { startDatapath } from '../support/datapaths.ts';

async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return 'nothing';
}

describe('the code of an error', () => {
  it.each<[what: string, code: string, call: () => unknown]>([
    ['a wrong option', ErrorCode.INVALID_ARG, () => new Conntrack({ buckets: 3 })],
    ['an unknown option', ErrorCode.INVALID_ARG, () => new CtAction({ zoen: 1 } as never)],
    ['a wrong option of a datapath', ErrorCode.INVALID_ARG, () => Datapath.start({ threads: 0 })],
  ])('of %s is %s', async (_what, code, call) => {
    const error = await thrownBy(call);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ name: 'UsageError', code });
  });

  it('of a closed Conntrack and its event reader is ERR_CT_CLOSED', async () => {
    const conntrack = new Conntrack({ maxConnections: 100 });
    const reader = conntrack.events();
    reader.close();
    expect(await thrownBy(() => reader.collect())).toMatchObject({ code: ErrorCode.CLOSED });
    conntrack.close();
    expect(await thrownBy(() => conntrack.flush())).toMatchObject({ name: 'UsageError', code: ErrorCode.CLOSED });
  });

  it('of every call on a stopped datapath is ERR_CT_CLOSED', async () => {
    const datapath = await startDatapath();
    await datapath.stop();
    const frame = new Uint8Array(60);
    for (const call of [
      () => datapath.push(frame, { timeMs: 0 }),
      () => datapath.offer(frame, { timeMs: 0 }),
      () => datapath.drain(),
      () => datapath.verdicts(),
      () => datapath.terminateWorker('pmd'),
    ]) {
      expect(await thrownBy(call)).toMatchObject({ code: ErrorCode.CLOSED });
    }
  });

  it('of a datapath with a dead worker is ERR_CT_WORKER_DIED, with the cause', async () => {
    const datapath = await startDatapath({ restarts: 0 });
    const failed = new Promise((resolve) => datapath.on('error', resolve));
    datapath.terminateWorker('pmd');
    await failed;
    for (const call of [
      () => datapath.push(new Uint8Array(60), { timeMs: 0 }),
      () => datapath.drain(),
      () => datapath.stop(),
    ]) {
      const error = await thrownBy(call);
      expect(error).toBeInstanceOf(DatapathError);
      expect(error).toMatchObject({ code: ErrorCode.WORKER_DIED, cause: expect.any(Error) });
    }
  });

  it('of a lock that another thread holds too long is ERR_CT_LOCK_TIMEOUT', () => {
    expect(new LockTimeoutError('a lock')).toMatchObject({ name: 'LockTimeoutError', code: ErrorCode.LOCK_TIMEOUT });
  });

  it('is unique', () => {
    const codes = Object.values(ErrorCode);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.every((code) => /^ERR_CT_[A-Z_]+$/.test(code))).toBe(true);
  });
});
