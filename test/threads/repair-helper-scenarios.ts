/** Scenarios of the repair tests: a thread holds fragments, and tracks FTP with a helper. */

import { purgeFragments } from '../../src/core/fragments/fragments.ts';
import { tcp } from '../support/frames.ts';
import { ControlConnection, hostPort } from '../support/ftp.ts';
import {
  NOW_MS,
  send,
  flows,
  FTP,
  FTP_ENDS,
  DATA,
  SMALL,
  DATAGRAM,
  OTHER_DATAGRAM,
  fragmentProblems,
  keepFragments,
  announce,
} from './repair-traffic.ts';
import type { Scenario } from './repair-scenario.ts';

export const HELPER_SCENARIOS: Record<string, Scenario> = {
  'hold a fragment': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, OTHER_DATAGRAM.slice(0, 1));
    },
    run: (victim) => send(victim, DATAGRAM.slice(0, 2)),
    check: fragmentProblems,
  },
  'complete a datagram': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, [...DATAGRAM.slice(0, 1), ...OTHER_DATAGRAM.slice(0, 1)]);
    },
    run: (victim) => send(victim, [...DATAGRAM.slice(1), ...OTHER_DATAGRAM.slice(1)]),
    check: fragmentProblems,
  },
  'let fragments expire': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, [...DATAGRAM.slice(0, 1), ...OTHER_DATAGRAM.slice(0, 1)]);
    },
    run: (victim) => {
      send(victim, flows(9, 1), { commit: true }, NOW_MS + 16_000);
      purgeFragments(victim.tracker.fragments, NOW_MS + 30_000);
    },
    check: fragmentProblems,
  },
  'dump fragments': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, DATAGRAM.slice(0, 1));
    },
    run: (victim) => victim.fragmentLists(),
    stride: 149,
  },
  'FTP announces a data connection': {
    options: SMALL,
    run: (victim) => announce(victim),
  },
  'FTP announces one more': {
    options: SMALL,
    prepare: (ct) => announce(ct),
    run: (victim) => {
      const control = new ControlConnection(victim, { ends: FTP_ENDS, action: FTP });
      control.deliver('client', { flags: 'PA', seq: 1001 + 25, data: `PORT ${hostPort(FTP_ENDS.src, 40_002)}\r\n` });
    },
  },
  'FTP opens a data connection': {
    options: SMALL,
    prepare: (ct) => announce(ct),
    run: (victim) => send(victim, [tcp(DATA, { flags: 'S', seq: 1 })], FTP),
  },
  'FTP ends': {
    options: SMALL,
    prepare: (ct) => {
      announce(ct);
      send(ct, [tcp(DATA, { flags: 'S', seq: 1 })], FTP);
    },
    run: (victim) => victim.flush(),
  },
};
