/** The accounting of a sample is right, or names what is wrong. */

import { expect, it } from 'vitest';
import { accountingError, type Accounting } from '../../../bench/rate/accounting.ts';

const RIGHT: Accounting = {
  offered: 100,
  judged: 90,
  dropped: 10,
  sent: 130,
  packets: 130,
  verdicts: 130,
  invalid: 0,
  created: 25,
  removed: 5,
  live: 20,
  opened: 20,
};

it('an accounting that is right has no error', () => {
  expect(accountingError(RIGHT)).toBeUndefined();
});

it.each<[what: string, wrong: Partial<Accounting>, says: RegExp]>([
  ['a packet that was neither judged nor dropped', { judged: 89 }, /100 packets were offered, but 89 judged/],
  ['a packet that the table did not count', { packets: 129 }, /130 packets were sent, but the table counted 129/],
  ['a packet without a verdict', { verdicts: 129 }, /and 129 verdicts/],
  ['an invalid packet', { invalid: 1 }, /1 packets were judged invalid/],
  ['a connection that vanished', { live: 19 }, /25 connections were created, but 19 live and 5 were removed/],
  ['a flow that was never created', { opened: 26 }, /26 flows were opened/],
])('%s is an error', (_what, wrong, says) => {
  expect(accountingError({ ...RIGHT, ...wrong })).toMatch(says);
});
