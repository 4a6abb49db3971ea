/**
 * Timeouts of connection states, and the policies that change them.
 *
 * All threads share the table of policies: a policy that one thread sets applies to the next packet in every thread. Each entry is
 * one cache line:
 *
 *   word 0       0 free, 1 in use, 2 deleted (a search continues past it). atomic: written last
 *   word 1       policy id
 *   words 2..12  milliseconds by Timeout. Plain single words, read without the mutex
 *
 * Entry 0 holds the built-in defaults, which apply to ids without a policy. Entry 1 is policy 0, the default policy.
 * Open addressing from the id finds all others. A thread changes an entry under the mutex of the policies.
 */

import { load, peek, poke, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, releaseOfDead, unlock } from '../../shared/sync/mutex.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import { shown, UsageError } from '../errors.ts';
import { expectOptions, nearestName, type OptionNames } from '../options/option-names.ts';
import { Protocol } from '../packet/layout.ts';

/** States of a connection that have a timeout. */
export const Timeout = {
  TCP_FIRST_PACKET: 0,
  TCP_OPENING: 1,
  TCP_ESTABLISHED: 2,
  TCP_CLOSING: 3,
  TCP_FIN_WAIT: 4,
  TCP_CLOSED: 5,
  OTHER_FIRST: 6,
  OTHER_MULTIPLE: 7,
  OTHER_BIDIR: 8,
  ICMP_FIRST: 9,
  ICMP_REPLY: 10,
} as const;
export type Timeout = (typeof Timeout)[keyof typeof Timeout];

/** The timeout of a connection of this protocol after its first packet. */
export function firstTimeout(protocol: number): Timeout {
  if (protocol === Protocol.TCP) {
    return Timeout.TCP_FIRST_PACKET;
  }
  return protocol === Protocol.ICMP || protocol === Protocol.ICMPV6 ? Timeout.ICMP_FIRST : Timeout.OTHER_FIRST;
}

/** For each Timeout: the name of its attribute in a policy (as in ovs-vsctl add-zone-tp) and the default in seconds. */
const ATTRIBUTES: readonly (readonly [name: string, defaultSeconds: number])[] = [
  ['tcp_syn_sent', 30],
  ['tcp_syn_recv', 30],
  ['tcp_established', 24 * 60 * 60],
  ['tcp_fin_wait', 15 * 60],
  ['tcp_time_wait', 45],
  ['tcp_close', 30],
  ['udp_first', 60],
  ['udp_single', 60],
  ['udp_multiple', 30],
  ['icmp_first', 60],
  ['icmp_reply', 30],
];

/** Attributes of other datapaths: accepted, without effect. */
const WITHOUT_EFFECT = ['tcp_close_wait', 'tcp_last_ack', 'tcp_syn_sent2', 'tcp_retransmit', 'tcp_unack'];

const NAMES: OptionNames<TimeoutPolicy> = Object.fromEntries(
  [...ATTRIBUTES.map(([name]) => name), ...WITHOUT_EFFECT].map((name) => [name, true]),
);

/**
 * The longest timeout, about 24.6 days. Expiries are the low 32 bits of the clock, compared by signed difference; this
 * leaves some hours for clocks that differ between threads. Longer timeouts are cut to it.
 */
export const MAX_TIMEOUT_MS = 0x7f000000;

/** A timeout policy: seconds by attribute name. An attribute that is missing has its default. */
export type TimeoutPolicy = Record<string, number>;

const MAX_POLICIES = 1024;
/** Characters of an unknown name that a message shows. */
const MAX_NAME = 80;
const HEADER_WORDS = LINE_WORDS;
const MUTEX = 0;

const ENTRY_STATE = 0;
const ENTRY_ID = 1;
const ENTRY_TIMEOUTS = 2;
const FREE = 0;
const IN_USE = 1;
const DELETED = 2;

const BUILT_IN = 0;
const DEFAULT_POLICY = 1;
const FIRST_HASHED = 2;

export const TIMEOUT_POLICIES_WORDS: number = HEADER_WORDS + (FIRST_HASHED + MAX_POLICIES) * LINE_WORDS;

/** Milliseconds for each Timeout. @throws UsageError on an unknown name or an impossible time. */
function policyMs(given: TimeoutPolicy): number[] {
  const ms = ATTRIBUTES.map(([, defaultSeconds]) => defaultSeconds * 1000);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new UsageError(`a timeout policy must be an object of seconds by name, not ${shown(given)}`);
  }
  const policy: TimeoutPolicy = expectOptions<TimeoutPolicy>('a timeout policy', given, NAMES, unknownTimeout);
  for (const [name, seconds] of Object.entries(policy)) {
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > 0xffffffff) {
      throw new UsageError(
        `timeout ${name} must be a whole number of seconds from 0 to 4294967295, not ${shown(seconds)}`,
      );
    }
    const timeout = ATTRIBUTES.findIndex(([known]) => known === name);
    if (timeout >= 0) {
      ms[timeout] = Math.min(seconds * 1000, MAX_TIMEOUT_MS);
    }
  }
  return ms;
}

function unknownTimeout(name: string): UsageError {
  const known = ATTRIBUTES.map(([attribute]) => attribute);
  const near = nearestName(name, known);
  const hint = near === undefined ? '' : `: did you mean '${near}'?`;
  return new UsageError(`unknown timeout ${name.slice(0, MAX_NAME)}${hint}; known timeouts are ${known.join(', ')}`);
}

export class TimeoutPolicies {
  private readonly words: Words;
  private readonly base: number;
  private readonly defaultPolicy: number;

  constructor(words: Words, base: number) {
    this.words = words;
    this.base = base;
    this.defaultPolicy = this.#entry(DEFAULT_POLICY) + ENTRY_TIMEOUTS;
  }

  #entry(index: number): number {
    return this.base + HEADER_WORDS + index * LINE_WORDS;
  }

  #write(entry: number, id: number, ms: readonly number[]): void {
    for (let timeout = 0; timeout < ms.length; timeout++) {
      poke(this.words, entry + ENTRY_TIMEOUTS + timeout, ms[timeout]!);
    }
    poke(this.words, entry + ENTRY_ID, id);
    store(this.words, entry + ENTRY_STATE, IN_USE);
  }

  /** The thread that creates the region calls this once. */
  initialise(): void {
    this.#write(this.#entry(BUILT_IN), 0, policyMs({}));
    this.#write(this.#entry(DEFAULT_POLICY), 0, policyMs({}));
  }

  /** How long the state lasts under the policy, in ms. */
  timeoutMs(policyId: number, timeout: number): number {
    if (policyId === 0) {
      return peek(this.words, this.defaultPolicy + timeout);
    }
    return peek(this.words, this.find(policyId) + ENTRY_TIMEOUTS + timeout);
  }

  /** The entry of a policy, or the built-in one. */
  private find(policyId: number): number {
    const words = this.words;
    let index = Math.imul(policyId, 0x9e3779b1) >>> 22;
    for (let probes = 0; probes < MAX_POLICIES; probes++) {
      const entry = this.#entry(FIRST_HASHED + index);
      const state = load(words, entry + ENTRY_STATE);
      if (state === FREE) {
        break;
      }
      if (state === IN_USE && words[entry + ENTRY_ID] === policyId) {
        return entry;
      }
      index = (index + 1) & (MAX_POLICIES - 1);
    }
    return this.#entry(BUILT_IN);
  }

  /**
   * Creates or replaces a policy. Connections with this policy take the new times at their next packet.
   * @throws UsageError on an unknown name, an impossible time, or when there are already 1024 policies
   */
  set(policyId: number, policy: TimeoutPolicy, participant: Participant): void {
    const ms = policyMs(policy);
    const words = this.words;
    lock(words, this.base + MUTEX, participant, LockClass.leaf, LockSite.timeoutsSet);
    let entry = policyId === 0 ? this.#entry(DEFAULT_POLICY) : this.find(policyId);
    if (entry === this.#entry(BUILT_IN)) {
      entry = this.#free(policyId);
    }
    if (entry !== 0) {
      this.#write(entry, policyId, ms);
    }
    unlock(words, this.base + MUTEX);
    if (entry === 0) {
      throw new UsageError(`there are already ${MAX_POLICIES} timeout policies: delete one first`);
    }
  }

  /**
   * After the participant's thread has died. A policy that it was replacing may have some old and some new times. A
   * policy that it was creating or deleting exists or does not.
   * @returns whether the thread held the mutex
   */
  repair(participant: Participant): boolean {
    return releaseOfDead(this.words, this.base + MUTEX, participant, LockClass.leaf);
  }

  /** Seconds by attribute name of a policy that is set; policy 0, the default policy, is set until it is deleted. */
  get(policyId: number): TimeoutPolicy | undefined {
    const entry = policyId === 0 ? this.#entry(DEFAULT_POLICY) : this.find(policyId);
    const isSet = entry !== this.#entry(BUILT_IN) && load(this.words, entry + ENTRY_STATE) === IN_USE;
    return isSet ? this.#policyAt(entry) : undefined;
  }

  #policyAt(entry: number): TimeoutPolicy {
    const secondsOf = (timeout: number) => peek(this.words, entry + ENTRY_TIMEOUTS + timeout) / 1000;
    return Object.fromEntries(ATTRIBUTES.map(([name], timeout) => [name, secondsOf(timeout)]));
  }

  /** All policies that are set, by id. */
  all(): { id: number; timeouts: TimeoutPolicy }[] {
    const entries = Array.from({ length: MAX_POLICIES + 1 }, (_, index) => this.#entry(DEFAULT_POLICY + index));
    return entries
      .filter((entry) => load(this.words, entry + ENTRY_STATE) === IN_USE)
      .map((entry) => ({ id: peek(this.words, entry + ENTRY_ID) >>> 0, timeouts: this.#policyAt(entry) }))
      .toSorted((a, b) => a.id - b.id);
  }

  /**
   * Frees deleted entries at the end of a probe sequence: the entry behind them is free, so no search continues past
   * them.
   */
  #freeDeleted(index: number): void {
    const words = this.words;
    const stateOf = (at: number) => this.#entry(FIRST_HASHED + (at & (MAX_POLICIES - 1))) + ENTRY_STATE;
    if (load(words, stateOf(index + 1)) !== FREE) {
      return;
    }
    for (let at = index; load(words, stateOf(at)) === DELETED; at--) {
      store(words, stateOf(at), FREE);
    }
  }

  #free(policyId: number): number {
    let index = Math.imul(policyId, 0x9e3779b1) >>> 22;
    for (let probes = 0; probes < MAX_POLICIES; probes++) {
      const entry = this.#entry(FIRST_HASHED + index);
      if (load(this.words, entry + ENTRY_STATE) !== IN_USE) {
        return entry;
      }
      index = (index + 1) & (MAX_POLICIES - 1);
    }
    return 0;
  }

  /** Deletes a policy. Connections with this policy fall back to the defaults. @returns false if there was none */
  delete(policyId: number, participant: Participant): boolean {
    const words = this.words;
    lock(words, this.base + MUTEX, participant, LockClass.leaf, LockSite.timeoutsDelete);
    const entry = policyId === 0 ? this.#entry(DEFAULT_POLICY) : this.find(policyId);
    let existed = false;
    if (policyId === 0) {
      existed = load(words, entry + ENTRY_STATE) === IN_USE;
      this.#write(entry, 0, policyMs({}));
      store(words, entry + ENTRY_STATE, DELETED);
    } else if (entry !== this.#entry(BUILT_IN)) {
      existed = true;
      store(words, entry + ENTRY_STATE, DELETED);
      this.#freeDeleted((entry - this.#entry(FIRST_HASHED)) / LINE_WORDS);
    }
    unlock(words, this.base + MUTEX);
    return existed;
  }
}

/** Attribute names in the order of Timeout, for help texts and tables. */
export function timeoutAttributeNames(): string[] {
  return ATTRIBUTES.map(([name]) => name);
}
