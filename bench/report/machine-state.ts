/** What a report says about the state of the machine while it measured. */

import type { MachineFingerprint } from '../machine/machine.ts';
import { doubtText, machineLine } from '../machine/probe-text.ts';

/** Says why nothing may be concluded. undefined if the machine was quiet, as far as is known. */
export function busyText(machine: MachineFingerprint): string | undefined {
  const doubt = doubtText(machine);
  return doubt === undefined ? undefined : `${doubt}.`;
}

/** What the probes before and after the measurement found. Empty without probes. */
export function stateLines(machine: MachineFingerprint): string[] {
  const line = machineLine(machine);
  return line === undefined ? [] : [`${line.replace(/^t/, 'T')}.`];
}
