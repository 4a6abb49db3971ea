/** Misspelt names in filters and protocols. */

import { describe, expect, it } from 'vitest';
import { parseConnFilter } from '../../src/core/inspect/filter-text.ts';
import { didYouMean, nearestName } from '../../src/core/options/nearest-name.ts';
import { protocolNumber } from '../../src/core/options/protocol-names.ts';

describe('the nearest name', () => {
  it.each([
    ['zoen', 'zone'],
    ['MARK', 'mark'],
    ['label', 'labels'],
    ['zone5', 'zone'],
    ['something else', undefined],
    ['', undefined],
  ])('to %j is %j', (given, nearest) => {
    expect(nearestName(given, ['zone', 'mark', 'labels'])).toBe(nearest);
  });

  it('differs by a swap, a letter added, removed, or replaced', () => {
    for (const given of ['strat', 'startt', 'star', 'stort']) {
      expect(nearestName(given, ['stop', 'start'])).toBe('start');
    }
  });

  it('ends a message as a question, if there is one', () => {
    expect(didYouMean('zoen', ['zone'])).toBe('; did you mean zone?');
    expect(didYouMean('xyz', ['zone'])).toBe('');
  });

  it('does not exist for a name that is far too long', () => {
    expect(nearestName('zone'.repeat(100_000), ['zone'])).toBeUndefined();
  });
});

describe('a filter', () => {
  it.each(['zoen=1', 'zoen='])('with %j lists every known field, and the nearest', (text) => {
    expect(() => parseConnFilter([text])).toThrow(
      'invalid conntrack tuple field: zoen; did you mean zone?; known are zone, mark, labels, state, seen, ct_nw_src,',
    );
  });

  it.each([
    ['tcp', 6],
    ['UDP', 17],
    ['icmp', 1],
    ['icmpv6', 58],
    ['ipv6-icmp', 58],
    ['sctp', 132],
    ['0x11', 17],
  ])('takes the protocol %j as conntrack does', (text, proto) => {
    expect(parseConnFilter([`ct_nw_proto=${text}`]).options.proto).toBe(proto);
  });

  it('refuses an unknown protocol, and suggests the nearest', () => {
    expect(() => protocolNumber('ct_nw_proto', 'tpc')).toThrow(/"tpc" is not .* one of icmp, tcp.*did you mean tcp\?/);
    expect(() => protocolNumber('ct_nw_proto', 'constructor')).toThrow(/is not/);
    expect(() => protocolNumber('ct_nw_proto', '256')).toThrow(/from 0 to 255/);
  });
});
