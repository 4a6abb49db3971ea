/** Other work on the machine: processes that compute without end. `regress selftest --busy` shows how reliable verdicts are beside them. */

import { spawn } from 'node:child_process';
import { atEnd } from '../../../src/host/cleanup.ts';

/** Spins. Now and then it looks whether its parent still lives: a killed parent cannot end it. */
const SPIN = 'while (process.ppid === Number(process.argv[1])) for (let i = 0; i < 1e8; i++);';

export interface BusyProcesses {
  /** Process ids. */
  pids: number[];
  end(): void;
}

/** Starts `count` processes that compute. They end with `end()`, and with this process. */
export function startBusyProcesses(count: number): BusyProcesses {
  const args = ['-e', SPIN, String(process.pid)];
  const children = Array.from({ length: count }, () => spawn(process.execPath, args, { stdio: 'ignore' }));
  const kill = () => children.forEach((child) => child.kill('SIGKILL'));
  const forget = atEnd(kill);
  return {
    pids: children.map(({ pid }) => pid!),
    end: () => {
      kill();
      forget();
    },
  };
}
