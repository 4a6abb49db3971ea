/** The name of the datapath, which dpctl's commands take as an optional first argument. Here there is only one datapath. */

import { UsageError } from '../../core/errors.ts';

/** Open vSwitch's names of its datapath: in userspace, in the kernel, and in the kernel without the type. */
const NAMES: readonly string[] = ['netdev@ovs-netdev', 'system@ovs-system', 'ovs-system'];

/** A note below lists of commands. */
export const DATAPATH_NOTE: string = `The first argument may be the name of the datapath, as in dpctl: ${NAMES.slice(0, 2).join(' or ')}.`;

/** TYPE@NAME. No other argument has this form. */
const WITH_TYPE = /^[^@=,\s]+@[^@=,\s]*$/;

/**
 * The arguments without the name of the datapath.
 * @throws UsageError when the name is that of another datapath, or not the first argument
 */
export function withoutDatapathName(args: readonly string[]): string[] {
  const [first, ...others] = args;
  const hasName = first !== undefined && NAMES.includes(first);
  if (!hasName && first !== undefined && WITH_TYPE.test(first)) {
    throw new UsageError(`there is no datapath '${first}'; there is only one: leave the name out, or give ${NAMES[0]}`);
  }
  const misplaced = others.find((arg) => WITH_TYPE.test(arg));
  if (misplaced !== undefined) {
    throw new UsageError(
      hasName
        ? `unexpected argument '${misplaced}' after the datapath's name`
        : `the name of the datapath must be the first argument: '${misplaced}' is not`,
    );
  }
  return hasName ? others : [...args];
}
