/** The parameters of a pass through the tracker: OpenFlow's `ct` action, compiled once and used for many batches. */

import { expectFlag, expectWhole, shown, UsageError } from './errors.ts';
import { helperKindOf, helperNameWords, HelperKind } from './alg/helper-names.ts';
import { NatAction, type NatOptions, plainNat } from './nat/action.ts';
import { expectOptions, type OptionNames } from './options/option-names.ts';
import { expectZone } from './zones/zone.ts';

/** A value, and the bits of it that are set or compared. */
export interface MaskedMark {
  /** 32-bit number. Bits outside the mask are written too, as Open vSwitch does. */
  value: number;
  mask: number;
}

/** 128 bits each, as 32 hexadecimal digits, the most significant first. */
export interface MaskedLabel {
  value: string;
  mask: string;
}

export interface CtActionOptions {
  /** 0..65535, default 0. */
  zone?: number;
  /** The packet may create a connection. */
  commit?: boolean;
  /**
   * If the packet travels in reply direction: remove its connection, and create one in the packet's direction. Implies
   * commit.
   */
  force?: boolean;
  mark?: MaskedMark;
  label?: MaskedLabel;
  /** Timeout policy of a connection created in this pass. Default: the policy of the zone, or policy 0. */
  timeoutPolicy?: number;
  /**
   * Name of the application helper, for connections created in this pass and for the packets of the pass. "ftp" and
   * "tftp" act; other names are only stored. Without it a packet is judged by the helper of its connection.
   */
  helper?: string;
  /**
   * Translate the packets of translated connections, and, if it has an action, the connections that this pass creates.
   */
  nat?: NatOptions;
}

const NAMES: OptionNames<CtActionOptions> = {
  zone: true,
  commit: true,
  force: true,
  mark: true,
  label: true,
  timeoutPolicy: true,
  helper: true,
  nat: true,
};
export const MASKED_NAMES: OptionNames<MaskedMark> = { value: true, mask: true };

export class CtAction {
  /** The options as plain objects, which can be sent to another thread. */
  readonly options: CtActionOptions;
  readonly zone: number;
  /** @internal */
  readonly commit: boolean;
  /** @internal */
  readonly force: boolean;
  /** @internal */
  readonly timeoutPolicy: number;
  /** @internal */
  readonly hasMark: boolean;
  /** @internal */
  readonly markValue: number;
  /** @internal */
  readonly markMask: number;
  /** @internal */
  readonly hasLabel: boolean;
  /** @internal Four words, the least significant first. */
  readonly labelValue: Int32Array;
  /** @internal */
  readonly labelMask: Int32Array;
  /** @internal */
  readonly nat: NatAction | null;
  /** @internal */
  readonly hasHelper: boolean;
  /** @internal A HelperKind. */
  readonly helperKind: number;
  /** @internal It only looks up, updates and creates: no translation, mark, label or helper, and no `force`. */
  readonly isPlain: boolean;
  /** @internal The name in the form of helper-names.ts; empty without a helper. */
  readonly helperName: Int32Array;

  /** @throws UsageError on a value out of range. */
  constructor(given: CtActionOptions = {}) {
    if (given instanceof CtAction) {
      throw new UsageError(
        'new CtAction takes options ({ commit: true }), not another CtAction: use that one as it is',
      );
    }
    const options = plainOptions(expectOptions('an action', given, NAMES));
    const { zone = 0, timeoutPolicy = 0, mark, label } = options;
    this.zone = expectZone('zone', zone);
    this.force = expectFlag('force', options.force);
    this.commit = expectFlag('commit', options.commit) || this.force;
    this.timeoutPolicy = expectWhole('timeout policy', timeoutPolicy, 0, 0xffffffff) | 0;
    this.hasMark = mark !== undefined;
    [this.markValue, this.markMask] = mark === undefined ? [0, 0] : markWords(mark);
    this.hasLabel = label !== undefined;
    [this.labelValue, this.labelMask] = labelWords(label ?? NO_LABEL);
    this.nat = options.nat === undefined ? null : new NatAction(options.nat);
    this.hasHelper = options.helper !== undefined;
    this.isPlain = this.nat === null && !this.hasMark && !this.hasLabel && !this.force && !this.hasHelper;
    this.helperName = options.helper === undefined ? new Int32Array(0) : helperNameWords(options.helper);
    this.helperKind = options.helper === undefined ? HelperKind.none : helperKindOf(options.helper);
    this.options = options;
  }
}

const NO_LABEL: MaskedLabel = { value: '0', mask: '0' };

/** The checked options as plain objects, which can be sent to another thread. @throws UsageError for a wrong option */
export function plainAction(given: CtActionOptions): CtActionOptions {
  return new CtAction(given).options;
}

function plainOptions(options: CtActionOptions): CtActionOptions {
  const { mark, label, nat } = options;
  return {
    ...options,
    ...(mark === undefined ? {} : { mark: expectOptions('a mark', mark, MASKED_NAMES) }),
    ...(label === undefined ? {} : { label: expectOptions('a label', label, MASKED_NAMES) }),
    ...(nat === undefined ? {} : { nat: plainNat(nat) }),
  };
}

/** Value and mask. @throws UsageError if one is missing or out of range */
export function markWords(mark: MaskedMark): [value: number, mask: number] {
  const { value, mask } = expectOptions('a mark', mark, MASKED_NAMES);
  return [expectWhole('mark value', value, 0, 0xffffffff) | 0, expectWhole('mark mask', mask, 0, 0xffffffff) | 0];
}

/** Words of value and mask. @throws UsageError if one is missing or does not consist of hexadecimal digits */
export function labelWords(label: MaskedLabel): [value: Int32Array, mask: Int32Array] {
  const { value, mask } = expectOptions('a label', label, MASKED_NAMES);
  return [parseLabel('label value', value), parseLabel('label mask', mask)];
}

/** The words of a hexadecimal label. @throws UsageError unless it has 1 to 32 hexadecimal digits */
export function parseLabel(what: string, hex: string): Int32Array {
  if (typeof hex !== 'string' || !/^[0-9a-fA-F]{1,32}$/.test(hex)) {
    throw new UsageError(`${what} must be 1 to 32 hexadecimal digits, not ${shown(hex)}`);
  }
  const digits = hex.padStart(32, '0');
  const words = new Int32Array(4);
  for (let i = 0; i < 4; i++) {
    words[i] = Number.parseInt(digits.slice(24 - 8 * i, 32 - 8 * i), 16);
  }
  return words;
}

/** 32 hexadecimal digits of the label whose words start at `at`. */
export function formatLabel(words: Int32Array, at: number): string {
  let hex = '';
  for (let i = 3; i >= 0; i--) {
    hex += (words[at + i]! >>> 0).toString(16).padStart(8, '0');
  }
  return hex;
}
