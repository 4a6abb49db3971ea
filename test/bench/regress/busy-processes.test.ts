/** The busy processes beside a selftest: they compute, and none outlives its parent. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startBusyProcesses } from '../../../bench/regress/selftest/busy-processes.ts';
import { REPOSITORY } from '../../support/child.ts';

/** Processor time of a process, in clock ticks. undefined: it is gone, or a zombie. */
function ticksOf(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return fields[0] === 'Z' ? undefined : Number(fields[11]);
  } catch {
    return undefined;
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await setTimeout(20);
  }
}

describe.runIf(process.platform === 'linux')('busy processes', () => {
  it('compute until they are ended', async () => {
    const busy = startBusyProcesses(2);
    expect(busy.pids).toHaveLength(2);
    await until(() => busy.pids.every((pid) => ticksOf(pid)! >= 5));
    busy.end();
    await until(() => busy.pids.every((pid) => ticksOf(pid) === undefined));
  });

  it('end by themselves if their parent is killed', async () => {
    const program = `
      import { startBusyProcesses } from './bench/regress/selftest/busy-processes.ts';
      process.send(startBusyProcesses(1).pids[0]);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: REPOSITORY,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [pid] = (await once(parent, 'message')) as [number];
    expect(ticksOf(pid)).toBeDefined();
    parent.kill('SIGKILL');
    await until(() => ticksOf(pid) === undefined);
  });
});
