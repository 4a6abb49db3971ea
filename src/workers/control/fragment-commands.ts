/** Commands about the reassembly of fragments. */

import { UsageError } from '../../core/errors.ts';
import type { FragmentFamilyStatus, IpFamily } from '../../core/fragments/settings.ts';
import { formatFragmentList } from '../../core/inspect/format.ts';
import { command, onlyNumber, requireNoMore, type Command } from './command.ts';

const MAX_UINT32 = 0xffffffff;
const FAMILIES: readonly IpFamily[] = ['v4', 'v6'];
/** dpctl indents the text below its heading. */
const INDENT = ' '.repeat(8);

function family(text: string | undefined): IpFamily {
  const found = FAMILIES.find((known) => known === text);
  if (found === undefined) {
    const problem = text === undefined ? 'parameter missing' : `'${text}' is no address family`;
    throw new UsageError(`${problem}: give v4 for IPv4, or v6 for IPv6`);
  }
  return found;
}

function setEnabled(isOn: boolean): Command {
  return command('v4|v6', `${isOn ? 'Reassemble' : 'Do not reassemble'} IP fragments`, ({ conntrack }, args) => {
    requireNoMore(args.slice(1));
    const which = family(args[0]);
    conntrack.fragments.setEnabled(which, isOn);
    return {
      text: `${isOn ? 'enabling' : 'disabling'} fragmentation reassembly successful`,
      json: { [which]: { enabled: isOn } },
    };
  });
}

function familyLines(name: IpFamily, status: FragmentFamilyStatus): string[] {
  return [
    `min ${name} frag size: ${status.minFragSize}`,
    `${name} frags accepted: ${status.accepted}`,
    `${name} frags completed: ${status.completedSent}`,
    `${name} frags expired: ${status.expiredSent}`,
    `${name} frags too small: ${status.tooSmall}`,
    `${name} frags overlapped: ${status.overlap}`,
    `${name} frags purged: ${status.purged}`,
  ];
}

export const FRAGMENT_COMMANDS: Record<string, Command> = {
  'ipf-set-enabled': setEnabled(true),
  'ipf-set-disabled': setEnabled(false),
  'ipf-set-min-frag': command(
    'v4|v6 BYTES',
    'Set the minimum size of fragments, with the IP header. Last fragments may be smaller',
    ({ conntrack }, args) => {
      const which = family(args[0]);
      conntrack.fragments.setMinFragSize(which, onlyNumber(args.slice(1), 'minimum fragment size', 0, MAX_UINT32));
      const { minFragSize } = conntrack.fragments.status()[which];
      return { text: 'setting minimum fragment size successful', json: { [which]: { minFragSize } } };
    },
  ),
  'ipf-set-max-nfrags': command('COUNT', 'Limit the number of fragments held', ({ conntrack }, args) => {
    conntrack.fragments.setMaxFrags(onlyNumber(args, 'maximum fragments', 0, MAX_UINT32));
    const { nfragMax } = conntrack.fragments.status();
    return { text: 'setting maximum fragments successful', json: { nfragMax } };
  }),
  'ipf-get-status': command(
    '',
    'Show the settings and counters of reassembly; -m with the fragments held',
    ({ conntrack, more }, args) => {
      requireNoMore(args);
      const status = conntrack.fragments.status();
      const { v4, v6, nfrag, nfragMax } = status;
      const heading = 'Fragmentation Module Status';
      const lines = [
        heading,
        '-'.repeat(heading.length),
        `v4 enabled: ${v4.enabled ? 1 : 0}`,
        `v6 enabled: ${v6.enabled ? 1 : 0}`,
        `max num frags (v4/v6): ${nfragMax}`,
        `num frag: ${nfrag}`,
        ...familyLines('v4', v4),
        ...familyLines('v6', v6),
      ];
      const text = lines.map((line) => INDENT + line);
      if (!more) {
        return { text: text.join('\n'), json: status };
      }
      const lists = conntrack.fragmentLists();
      text.push('', `${INDENT}Fragment Lists:`, '', ...lists.map(formatFragmentList));
      return { text: text.join('\n'), json: { ...status, lists } };
    },
  ),
};
