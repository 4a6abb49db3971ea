import { describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { UsageError } from '../../../src/core/errors.ts';
import type { NatOptions } from '../../../src/core/nat/action.ts';

const SRC = { action: ['src'] };

describe('the nat option', () => {
  it.each<[string, NatOptions, RegExp]>([
    ['an unknown action', { action: ['both'] }, /^nat action must be \[\], \['src'\] or \['dst'\], not \["both"\]$/],
    ['two actions', { action: ['src', 'dst'] }, /^nat action must be/],
    ['no action', {} as NatOptions, /^nat action must be/],
    [
      'a range without an action',
      { action: [], minAddr: '192.0.2.1' },
      /^nat has a range .*: set action to \['src'\] or \['dst'\]$/,
    ],
    ['a port range without an action', { action: [], minPort: 0 }, /^nat has a range .*: set action to/],
    [
      'text that is no address',
      { ...SRC, minAddr: '192.0.2' },
      /^nat minAddr must be an IPv4 or IPv6 address, not "192.0.2"$/,
    ],
    ['an end without a start', { ...SRC, maxAddr: '192.0.2.1' }, /^nat maxAddr is set without minAddr: set both$/],
    [
      'an end before the start',
      { ...SRC, minAddr: '192.0.2.2', maxAddr: '192.0.2.1' },
      /^nat maxAddr must not be below minAddr/,
    ],
    [
      'an IPv6 end before the start',
      { ...SRC, minAddr: 'fd00:0:0:1::', maxAddr: 'fd00::ffff' },
      /^nat maxAddr must not be below/,
    ],
    [
      'two families',
      { ...SRC, minAddr: '192.0.2.2', maxAddr: 'fd00::1' },
      /^nat minAddr and maxAddr must be of one family/,
    ],
    [
      'a port beyond 65535',
      { ...SRC, minPort: 65536 },
      /^nat minPort must be a whole number from 0 to 65535, not 65536$/,
    ],
    ['a port that is no number', { ...SRC, minPort: '80' as unknown as number }, /^nat minPort must be/],
    ['a last port without a first', { ...SRC, maxPort: 80 }, /^nat maxPort is set without minPort: set both$/],
    [
      'a last port below the first',
      { ...SRC, minPort: 80, maxPort: 79 },
      /^nat maxPort must not be below minPort: 79 < 80$/,
    ],
    ['random and hash', { ...SRC, random: true, hash: true }, /^nat random and hash exclude each other/],
    [
      'a wrong name',
      { ...SRC, minAdress: '192.0.2.1' } as NatOptions,
      /^unknown option 'minAdress' in nat: did you mean 'minAddr'\?$/,
    ],
  ])('with %s is refused in one clear line', (_what, nat, message) => {
    expect(() => new CtAction({ nat })).toThrow(UsageError);
    expect(() => new CtAction({ nat })).toThrow(message);
  });

  it.each<[string, NatOptions]>([
    ['translation of translated connections only', { action: [] }],
    ['no range', SRC],
    ['one address and one port', { action: ['dst'], minAddr: '192.0.2.1', minPort: 80 }],
    [
      'ranges',
      { ...SRC, minAddr: 'fd00::', maxAddr: 'fdff::', minPort: 0, maxPort: 65535, persistent: true, hash: true },
    ],
  ])('with %s is accepted', (_what, nat) => {
    expect(new CtAction({ nat }).nat).not.toBeNull();
  });

  it('is absent by default', () => {
    expect(new CtAction().nat).toBeNull();
  });
});
