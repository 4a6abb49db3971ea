/** The options of `push` and `offer`. */

import type { CtAction } from '../../core/action.ts';
import { expectSignal, shown, UsageError } from '../../core/errors.ts';
import { expectOptions, type OptionNames } from '../../core/options/option-names.ts';

/** Options of one packet. */
export interface PacketOptions<Tag = unknown> {
  /** Time of the packet in ms since any origin. Required, except with `clock: 'system'`: default now. */
  timeMs?: number;
  /** Action for the packet; default: the `action` of the datapath. Make an action once and reuse it. */
  action?: CtAction;
  /** Any value. It comes back with the verdict. Whole numbers from 0 to 2^31 - 1 cost nothing. */
  tag?: Tag;
}

export interface PushOptions<Tag = unknown> extends PacketOptions<Tag> {
  /** Withdraws the packet while it waits for space. The promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

const OFFER_NAMES: OptionNames<PacketOptions> = { timeMs: true, action: true, tag: true };
const PUSH_NAMES: OptionNames<PushOptions> = { ...OFFER_NAMES, signal: true };

/** @throws UsageError for an unknown option of `offer` */
export function checkOffer(options: PacketOptions): void {
  checkNames('offer', options, OFFER_NAMES);
}

/** @returns the signal. @throws UsageError for an unknown option of `push`, or a signal that is none */
export function checkPush(options: PushOptions): AbortSignal | undefined {
  checkNames('push', options, PUSH_NAMES);
  return options.signal === undefined ? undefined : expectSignal(options.signal);
}

/** Runs for every packet: cheaper than expectOptions, which is called only to report a wrong name. */
function checkNames<Options extends object>(what: string, options: Options, names: OptionNames<Options>): void {
  if (typeof options !== 'object' || options === null) {
    throw new UsageError(`the options of ${what} must be an object ({ timeMs }), not ${shown(options)}`);
  }
  for (const name in options) {
    if ((names as Record<string, true | undefined>)[name] !== true) {
      expectOptions(`the options of ${what}`, options, names);
    }
  }
}
