/** The translation that a pass asks for: OpenFlow's `nat` inside `ct`, compiled once into numbers. */

import { parseIpv4, parseIpv6 } from '../inspect/address.ts';
import { expectFlag, expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { swapWord } from '../packet/layout.ts';
import { ConnFlag } from '../table/conn.ts';

export interface NatOptions {
  /**
   * []: translate the packets of translated connections. ['src'] or ['dst']: also translate the connections that this
   * pass creates.
   */
  action: readonly [] | readonly ['src'] | readonly ['dst'] | readonly string[];
  /** First address of the range. Without it the address stays, and the port changes only if it is taken. */
  minAddr?: string;
  /** Last address of the range. Default: minAddr. */
  maxAddr?: string;
  /** First port (ICMP: identifier) of the range. Without it the port stays if it is free. */
  minPort?: number;
  /** Last port of the range. Default: minPort. */
  maxPort?: number;
  /** Start the search at a random port of the range. */
  random?: boolean;
  /** Start the search at a port chosen by a hash of the tuple. This is the default. */
  hash?: boolean;
  /** Choose the same address for all connections of a source, also after a restart. */
  persistent?: boolean;
}

/** The translation of a new connection. */
export const NatKind = { none: 0, src: ConnFlag.SNAT, dst: ConnFlag.DNAT } as const;

/** Address family of the range. */
const AddressFamily = { any: 0, ipv4: 4, ipv6: 6 } as const;

/** IPv6 ranges are used up to this offset, as in Open vSwitch. */
const MAX_OFFSET = 0xfffffffe;

const MAX_PORT = 65535;

const NAMES: OptionNames<NatOptions> = {
  action: true,
  minAddr: true,
  maxAddr: true,
  minPort: true,
  maxPort: true,
  random: true,
  hash: true,
  persistent: true,
};

export class NatAction {
  /** A NatKind: the ConnFlag of the connections that it creates; 0 for none. */
  readonly kind: number;
  readonly hasPorts: boolean;
  readonly minPort: number;
  readonly maxPort: number;
  readonly isRandom: boolean;
  readonly isPersistent: boolean;
  /** First address in host order: one word, or four. */
  readonly minAddress: Int32Array;
  /** The number of addresses in the range minus one: 0 to 2^32 - 1. */
  readonly addressSpan: number;
  /** A number that identifies the range in hashes. */
  readonly seed: number;
  readonly #family: number;

  /** @throws UsageError for options that cannot be a translation */
  constructor(given: NatOptions) {
    const options = plainNat(given);
    this.kind = kindOf(options.action);
    const range = [options.minAddr, options.maxAddr, options.minPort, options.maxPort];
    if (this.kind === NatKind.none && range.some((value) => value !== undefined)) {
      throw new UsageError(
        "nat has a range of addresses or ports, but no kind of translation: set action to ['src'] or ['dst']",
      );
    }

    this.hasPorts = options.minPort !== undefined;
    if (!this.hasPorts && options.maxPort !== undefined) {
      throw new UsageError('nat maxPort is set without minPort: set both');
    }
    this.minPort = port('minPort', options.minPort === undefined ? 0 : options.minPort);
    this.maxPort = port('maxPort', options.maxPort === undefined ? this.minPort : options.maxPort);
    if (this.maxPort < this.minPort) {
      throw new UsageError(`nat maxPort must not be below minPort: ${this.maxPort} < ${this.minPort}`);
    }
    this.isRandom = expectFlag('nat random', options.random);
    if (expectFlag('nat hash', options.hash) && this.isRandom) {
      throw new UsageError('nat random and hash exclude each other: set one of them');
    }
    this.isPersistent = expectFlag('nat persistent', options.persistent);

    const min = hostWords('minAddr', options.minAddr);
    const max = options.maxAddr === undefined ? min : hostWords('maxAddr', options.maxAddr);
    if (options.minAddr === undefined && options.maxAddr !== undefined) {
      throw new UsageError('nat maxAddr is set without minAddr: set both');
    }
    if (min.length !== max.length) {
      throw new UsageError(
        `nat minAddr and maxAddr must be of one family: ${shown(options.minAddr)}, ${shown(options.maxAddr)}`,
      );
    }
    const distance = numberOf(max) - numberOf(min);
    if (distance < 0n) {
      throw new UsageError(`nat maxAddr must not be below minAddr: ${options.maxAddr} < ${options.minAddr}`);
    }
    /* The all-zero address means no address, also as the start of a range. */
    const isZero = min.every((word) => word === 0);
    this.minAddress = min;
    this.addressSpan = Number(distance > BigInt(MAX_OFFSET) ? BigInt(MAX_OFFSET) : distance);
    this.#family = isZero ? AddressFamily.any : min.length === 1 ? AddressFamily.ipv4 : AddressFamily.ipv6;
    this.seed = seedOf([...min, ...max, this.minPort | (this.maxPort << 16)]);
  }

  /** Does the range have addresses? Otherwise packets keep theirs. */
  get hasAddress(): boolean {
    return this.#family !== AddressFamily.any;
  }

  /**
   * Does it translate new connections of this family? It does not if the range has addresses of the other family; such
   * connections stay untranslated.
   */
  translates(isIpv6: boolean): boolean {
    return (
      this.kind !== NatKind.none &&
      (this.#family === AddressFamily.any || (this.#family === AddressFamily.ipv6) === isIpv6)
    );
  }
}

/** The options as a plain object. @throws UsageError for an unknown one */
export function plainNat(given: NatOptions): NatOptions {
  if (typeof given !== 'object' || given === null) {
    throw new UsageError(`nat must be an object with an action, not ${shown(given)}`);
  }
  const options = expectOptions('nat', given, NAMES);
  return { ...options, action: Array.isArray(options.action) ? Array.from<string>(options.action) : options.action };
}

function kindOf(action: unknown): number {
  if (Array.isArray(action) && action.length === 0) {
    return NatKind.none;
  }
  if (Array.isArray(action) && action.length === 1 && (action[0] === 'src' || action[0] === 'dst')) {
    return action[0] === 'src' ? NatKind.src : NatKind.dst;
  }
  throw new UsageError(`nat action must be [], ['src'] or ['dst'], not ${shown(action)}`);
}

function port(what: string, value: unknown): number {
  return expectWhole(`nat ${what}`, value, 0, MAX_PORT);
}

/** An address in host order, one word or four; a zero word for no address. */
function hostWords(what: string, text: string | undefined): Int32Array {
  if (text === undefined) {
    return new Int32Array(1);
  }
  const ipv4 = parseIpv4(text);
  const words = ipv4 === undefined ? parseIpv6(text) : Int32Array.of(ipv4);
  if (words === undefined) {
    throw new UsageError(`nat ${what} must be an IPv4 or IPv6 address, not ${shown(text)}`);
  }
  return words.map(swapWord);
}

function numberOf(words: Int32Array): bigint {
  return words.reduce((number, word) => (number << 32n) | BigInt(word >>> 0), 0n);
}

/** FNV-1a over words. It only distinguishes ranges. */
function seedOf(words: readonly number[]): number {
  return words.reduce((hash, word) => Math.imul(hash ^ word, 0x01000193), 0x811c9dc5 | 0);
}
