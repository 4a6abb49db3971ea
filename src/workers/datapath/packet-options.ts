/** What goes with a packet that is handed to a datapath. */

import type { CtAction } from '../../core/action.ts';
import { expectSignal, shown, UsageError } from '../../core/errors.ts';
import { expectOptions, type OptionNames } from '../../core/options/option-names.ts';

/** What goes with a packet. */
export interface PacketOptions<Tag = unknown> {
  /** Time of the packet in ms, of any origin. Only a datapath with `clock: 'system'` has a default: now. */
  timeMs?: number;
  /** What is done with the packet; default: the `action` of the datapath. Make it once, and use it for many packets. */
  action?: CtAction;
  /** Comes back with the verdict. Anything; whole numbers from 0 to 2^31 - 1 cost nothing. */
  tag?: Tag;
}

export interface PushOptions<Tag = unknown> extends PacketOptions<Tag> {
  /** While the packet waits for room: takes it back, and rejects with the signal's reason. */
  signal?: AbortSignal;
}

const OFFER_NAMES: OptionNames<PacketOptions> = { timeMs: true, action: true, tag: true };
const PUSH_NAMES: OptionNames<PushOptions> = { ...OFFER_NAMES, signal: true };

/** @throws UsageError for an option that `offer` does not know */
export function checkOffer(options: PacketOptions): void {
  checkNames('offer', options, OFFER_NAMES);
}

/** @returns the signal. @throws UsageError for an option that `push` does not know, or what is no signal */
export function checkPush(options: PushOptions): AbortSignal | undefined {
  checkNames('push', options, PUSH_NAMES);
  return options.signal === undefined ? undefined : expectSignal(options.signal);
}

/** Cheaper than expectOptions, which has the say when a name is wrong. */
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
