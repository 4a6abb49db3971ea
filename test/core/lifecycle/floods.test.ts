/**
 * Floods, exhausted ports, and clocks that jump: the table stays within its limits and loses no established connection.
 */

import { describe, expect, it } from 'vitest';
import type { Attack } from '../../../bench/attacks/attack.ts';
import { brokenBounds } from '../../../bench/attacks/bounds.ts';
import { type AttackName, attackOf } from '../../../bench/attacks/registry.ts';
import { runAttack } from '../../../bench/attacks/run.ts';

const SIZE = { packets: 3200, connections: 800, seed: 5 };

function outcome(name: AttackName, extra: Partial<typeof SIZE> = {}) {
  return runAttack(attackOf(name), { ...SIZE, ...extra });
}

describe('an attack', () => {
  it.each<AttackName>([
    'syn-flood',
    'syn-flood-early-drop',
    'fragment-flood',
    'fragment-gaps',
    'ftp-expectations',
    'clock-forward',
    'clock-backward',
    'clock-wrap',
    'clock-sign',
    'clock-nonsense',
  ])('of the kind %s stays within all bounds, and the accounting holds', (name) => {
    const { bounds, faults, attack } = outcome(name);
    expect(attack.packets).toBe(SIZE.packets);
    expect(brokenBounds(bounds)).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('on the ports of a range takes nearly all of them, and after that no memory', () => {
    const { bounds, faults, after } = outcome('port-exhaustion', { packets: 1920 });
    expect(brokenBounds(bounds)).toEqual([]);
    expect(faults).toEqual([]);
    expect(after.connections).toBeGreaterThan(1900);
  });
});

describe('a flood', () => {
  it('of SYNs fills the table and no more, and is refused', () => {
    const { after, lost } = outcome('syn-flood');
    expect(after.connections).toBe(SIZE.connections + 1000);
    expect(lost).toBe(0);
  });

  it('of fragments holds as many as the limit says, and that much memory', () => {
    const { after, before } = outcome('fragment-flood');
    expect(after.fragments).toBe(1000);
    expect(after.fragmentBytes - before.fragmentBytes).toBeLessThan(1001 * (2048 + 192 + 128));
  });

  it('of announced data connections keeps 256 of each control connection', () => {
    const { after } = outcome('ftp-expectations', { packets: 12_800 });
    expect(after.expectations).toBeGreaterThan(4000);
    expect(after.expectations).toBeLessThanOrEqual(256 * Math.ceil(12_800 / 2 / 256));
  });
});

describe('the bounds', () => {
  it('fail if established connections are lost', () => {
    const attack: Attack = {
      ...attackOf('syn-flood'),
      attack: (target) => {
        const traffic = attackOf('syn-flood').attack(target);
        return {
          ...traffic,
          next: () => {
            target.conntrack.flush();
            return traffic.next();
          },
        };
      },
    };
    const { bounds, lost } = runAttack(attack, { ...SIZE, packets: 640 });
    expect(lost).toBeGreaterThan(0);
    expect(brokenBounds(bounds).map(({ what }) => what)).toEqual(['lost packets of established connections']);
  });
});
