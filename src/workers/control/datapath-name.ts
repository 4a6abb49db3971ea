/** The datapath's name, which every command of dpctl may have as its first argument. Here there is one datapath. */

import { UsageError } from '../../core/errors.ts';

/** The names that Open vSwitch gives its only datapath: in userspace, in the kernel, and the latter without its type. */
const NAMES: readonly string[] = ['netdev@ovs-netdev', 'system@ovs-system', 'ovs-system'];

/** For lists of commands. */
export const DATAPATH_NOTE: string = `The first argument may be the name of the datapath, as in dpctl: ${NAMES.slice(0, 2).join(' or ')}.`;

/** TYPE@NAME. No other argument of a command looks like this. */
const WITH_TYPE = /^[^@=,\s]+@[^@=,\s]*$/;

/**
 * The arguments after the datapath's name; all of them where no name is given.
 * @throws UsageError when the name is of another datapath, or is not the first argument
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
