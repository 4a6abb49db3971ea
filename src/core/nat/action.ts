/** The translation that a pass asks for: OpenFlow's `nat` inside `ct`, compiled once into numbers. */

import { parseIpv4, parseIpv6 } from '../inspect/address.ts';
import { expectFlag, expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { swapWord } from '../packet/layout.ts';
import { ConnFlag } from '../table/conn.ts';

export interface NatOptions {
  /**
   * [] : translate packets of connections that are translated already. ['src'] or ['dst']: also translate a connection
   * that this pass creates.
   */
  action: readonly [] | readonly ['src'] | readonly ['dst'] | readonly string[];
  /** First address of the range; absent: keep the address, only the port may have to move. */
  minAddr?: string;
  /** Last address; absent: one address. */
  maxAddr?: string;
  /** First port (ICMP: identifier) of the range; absent: keep the port where it is free. */
  minPort?: number;
  /** Last port; absent: one port. */
  maxPort?: number;
  /** Start at a random port of the range. */
  random?: boolean;
  /** Start at a port chosen by a hash of the tuple: the default. */
  hash?: boolean;
  /** The same address for all connections of a source, also after a restart. */
  persistent?: boolean;
}

/** What a new connection gets. */
export const NatKind = { none: 0, src: ConnFlag.SNAT, dst: ConnFlag.DNAT } as const;

/** Family of the address range. */
const AddressFamily = { any: 0, ipv4: 4, ipv6: 6 } as const;

/** IPv6 ranges are used up to this offset, as in the reference. */
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
  /** A NatKind: the ConnFlag of connections that it creates, 0 for none. */
  readonly kind: number;
  readonly hasPorts: boolean;
  readonly minPort: number;
  readonly maxPort: number;
  readonly isRandom: boolean;
  readonly isPersistent: boolean;
  /** First address in host order: one word, or four. */
  readonly minAddress: Int32Array;
  /** Addresses in the range, less one: 0 to 2^32 - 1. */
  readonly addressSpan: number;
  /** A number for this range, to hash with. */
  readonly seed: number;
  readonly #family: number;

  /** @throws UsageError on what cannot be a translation. */
  constructor(given: NatOptions) {
    const options = plainNat(given);
    this.kind = kindOf(options.action);
    const range = [options.minAddr, options.maxAddr, options.minPort, options.maxPort];
    if (this.kind === NatKind.none && range.some((value) => value !== undefined)) {
      throw new UsageError("nat needs action ['src'] or ['dst'] for a range of addresses or ports");
    }

    this.hasPorts = options.minPort !== undefined;
    if (!this.hasPorts && options.maxPort !== undefined) {
      throw new UsageError('nat maxPort needs minPort');
    }
    this.minPort = port('minPort', options.minPort === undefined ? 0 : options.minPort);
    this.maxPort = port('maxPort', options.maxPort === undefined ? this.minPort : options.maxPort);
    if (this.maxPort < this.minPort) {
      throw new UsageError(`nat maxPort must not be below minPort: ${this.maxPort} < ${this.minPort}`);
    }
    this.isRandom = expectFlag('nat random', options.random);
    if (expectFlag('nat hash', options.hash) && this.isRandom) {
      throw new UsageError('nat is either random or hash, not both');
    }
    this.isPersistent = expectFlag('nat persistent', options.persistent);

    const min = hostWords('minAddr', options.minAddr);
    const max = options.maxAddr === undefined ? min : hostWords('maxAddr', options.maxAddr);
    if (options.minAddr === undefined && options.maxAddr !== undefined) {
      throw new UsageError('nat maxAddr needs minAddr');
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
    /* The all-zero address stands for none, whatever range starts with it. */
    const isZero = min.every((word) => word === 0);
    this.minAddress = min;
    this.addressSpan = Number(distance > BigInt(MAX_OFFSET) ? BigInt(MAX_OFFSET) : distance);
    this.#family = isZero ? AddressFamily.any : min.length === 1 ? AddressFamily.ipv4 : AddressFamily.ipv6;
    this.seed = seedOf([...min, ...max, this.minPort | (this.maxPort << 16)]);
  }

  /** Has the range addresses? Otherwise packets keep theirs. */
  get hasAddress(): boolean {
    return this.#family !== AddressFamily.any;
  }

  /**
   * Does it translate new connections of this family? A range of the other family's addresses cannot, the connection
   * is then not translated.
   */
  translates(isIpv6: boolean): boolean {
    return (
      this.kind !== NatKind.none &&
      (this.#family === AddressFamily.any || (this.#family === AddressFamily.ipv6) === isIpv6)
    );
  }
}

/** The options alone, as a plain object. @throws UsageError on an unknown one */
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

/** An address in host order, one word or four; a zero word for none. */
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

/** FNV-1a over words: only there to tell ranges from each other. */
function seedOf(words: readonly number[]): number {
  return words.reduce((hash, word) => Math.imul(hash ^ word, 0x01000193), 0x811c9dc5 | 0);
}
