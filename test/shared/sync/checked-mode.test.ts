/** A checked process (CT_CHECKED=1) throws when a thread breaks a rule of records, epochs, buckets or locks. */

import { afterAll, describe, expect, it } from 'vitest';
import { Crew } from '../../threads/crew.ts';
import type { CheckedJobs, SabotageName } from '../../threads/checked-jobs.ts';

const MESSAGES: [SabotageName, RegExp][] = [
  ['frees a record twice', /^record \d+ \(free\): freed twice$/],
  ['frees what others have seen', /^record \d+ \(linked\): freed without having been retired/],
  ['retires what is linked', /^record \d+ \(linked\): retired while it stands in an index$/],
  ['retires twice', /^record \d+ \(retired\): retired twice/],
  [
    'uses memory again before the epoch has passed',
    /^record \d+ \(retired\): freed while participant 1 may still see it$/,
  ],
  [
    'uses an index block again before the epoch has passed',
    /^index block at line \d+ \(retired\): freed while participant 1 may still see it$/,
  ],
  ['refers to a connection outside an epoch', /^record \d+ \(linked\): referred to by participant 1 outside an epoch$/],
  [
    'keeps a reference over a quiescent point',
    /^record \d+ \(linked\): this thread kept a reference over a quiescent point$/,
  ],
  ['refers to what was retired before', /^record \d+ \(retired\): .* which has been quiescent since it was retired$/],
  ['refers to a free record', /^record \d+ \(free\): referred to by participant 1 although it is in no index$/],
  [
    'refers to another generation',
    /^record \d+ \(linked\): its memory was reused while this thread holds a reference to it$/,
  ],
  ['writes an entry under a hash that is not its own', /^record \d+ \(linked\): .* under a hash that is not its own$/],
  ['counts entries wrong', /^bucket 0: it holds 1 entries, its header counts 2$/],
  ['counts wrong who went past a line', /^bucket 0, line 0: overflow count 1, but 0 entries went past it$/],
  ['links a connection twice', /^record \d+ \(linked\): half linked: 2 entries, of 1$/],
  ['leaves a translated connection half linked', /^record \d+ \(linked\): half linked: 1 entries, of 2$/],
  [
    'lets two live connections have one key',
    /^record \d+ \(linked\): bucket 0 has another live connection with its key/,
  ],
  ['leaves an entry of a record that is free', /^record \d+ \(unlinked\): bucket 0 has an entry of it$/],
  ['gives an index block away that is in use', /^index block at line \d+ \(retired\): bucket 0 uses it as its index$/],
  ['takes buckets in the wrong order', /^lock order: bucket lock .* taken while holding bucket lock/],
  ['releases the lock of another thread', /^lock ownership: bucket lock at word \d+ is held as 2 .* its word says 8$/],
  ['is quiescent with a lock held', /^lock ownership: bucket lock at word \d+ still held$/],
  ['is quiescent without having entered an epoch', /^epochs: a quiescent point of participant 0/],
  ['links what it does not have', /^record \d+ \(fresh\): linked although it is not allocated$/],
];

describe('a checked thread throws when it', () => {
  const crew = new Crew<CheckedJobs>({ jobs: 'checked-jobs', threads: 1, checked: true });
  afterAll(() => crew.end());

  it.each(MESSAGES)('%s', async (name, message) => {
    expect(await crew.runOn(0, 'commit', name)).toMatch(message);
  });

  it('and else nothing', async () => {
    expect(await crew.runOn(0, 'commit', 'does nothing wrong')).toBe(undefined);
  });
});

it('a thread that is not checked does not get to the table of one that is', async () => {
  const checked = new Crew<CheckedJobs>({ jobs: 'checked-jobs', threads: 1, checked: true });
  const unchecked = new Crew<CheckedJobs>({ jobs: 'checked-jobs', threads: 1, checked: false });
  const memory = await checked.runOn(0, 'makeTable', null);
  expect(await unchecked.runOn(0, 'attach', memory)).toBe(
    'this table was made with CT_CHECKED=1: start every thread that maps it with CT_CHECKED=1 as well',
  );
  await checked.end();
  await unchecked.end();
});
