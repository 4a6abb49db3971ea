/** Commands about timeout policies, which dpctl does not have: Open vSwitch keeps them in its database. */

import { UsageError } from '../../core/errors.ts';
import { timeoutAttributeNames, type TimeoutPolicy } from '../../core/expiry/timeouts.ts';
import { command, onlyNumber, onlyZone, requireNoMore, type Command } from './command.ts';

const MAX_ID = 0xffffffff;

function policyId(args: readonly string[]): number {
  return onlyNumber(args.slice(0, 1), 'timeout policy', 0, MAX_ID);
}

/** The policy that arguments NAME=SECONDS describe. */
function policyOf(args: readonly string[]): TimeoutPolicy {
  const policy: TimeoutPolicy = {};
  for (const arg of args) {
    const [, name, seconds] = /^([^=]+)=(\d+)$/.exec(arg) ?? [];
    if (name === undefined) {
      throw new UsageError(
        `malformed timeout '${arg}'; it must be NAME=SECONDS, of ${timeoutAttributeNames().join(', ')}`,
      );
    }
    policy[name] = Number(seconds);
  }
  return policy;
}

function policyText(policy: TimeoutPolicy): string {
  return Object.entries(policy)
    .map(([name, seconds]) => `${name}=${seconds}`)
    .join(' ');
}

function zoneOf(args: readonly string[]): number {
  const zone = onlyZone(args.slice(0, 1));
  if (zone === undefined) {
    throw new UsageError('zone missing; it takes zone=ZONE');
  }
  return zone;
}

export const POLICY_COMMANDS: Record<string, Command> = {
  'ct-set-timeout-policy': command(
    'ID [NAME=SECONDS]...',
    'Create or replace a timeout policy. Policy 0 is the default of all connections',
    ({ conntrack }, args) => {
      const id = policyId(args);
      conntrack.setTimeoutPolicy(id, policyOf(args.slice(1)));
      return { text: '', json: { id, timeouts: conntrack.timeoutPolicy(id) } };
    },
  ),
  'ct-del-timeout-policy': command('ID', 'Delete a timeout policy', ({ conntrack }, args) => {
    requireNoMore(args.slice(1));
    const id = policyId(args);
    if (!conntrack.deleteTimeoutPolicy(id)) {
      throw new UsageError(`no such timeout policy: ${id}`);
    }
    return { text: '', json: { id } };
  }),
  'ct-get-timeout-policy': command('[ID]', 'Show one timeout policy, or all', ({ conntrack }, args) => {
    requireNoMore(args.slice(1));
    if (args.length === 0) {
      const policies = conntrack.timeoutPolicies();
      const lines = policies.map(({ id, timeouts }) => `id=${id}, ${policyText(timeouts)}`);
      return { text: lines.join('\n'), json: policies };
    }
    const id = policyId(args);
    const timeouts = conntrack.timeoutPolicy(id);
    if (timeouts === undefined) {
      throw new UsageError(`no such timeout policy: ${id}`);
    }
    return { text: `id=${id}, ${policyText(timeouts)}`, json: { id, timeouts } };
  }),
  'ct-set-zone-timeout-policy': command(
    'zone=ZONE ID',
    'Attach a timeout policy to the new connections of a zone',
    ({ conntrack }, args) => {
      const zone = zoneOf(args);
      const id = onlyNumber(args.slice(1), 'timeout policy', 0, MAX_ID);
      conntrack.setZoneTimeoutPolicy(zone, id);
      return { text: '', json: { zone, id } };
    },
  ),
  'ct-del-zone-timeout-policy': command('zone=ZONE', "Detach the zone's timeout policy", ({ conntrack }, args) => {
    requireNoMore(args.slice(1));
    const zone = zoneOf(args);
    if (!conntrack.deleteZoneTimeoutPolicy(zone)) {
      throw new UsageError(`zone ${zone} has no timeout policy`);
    }
    return { text: '', json: { zone } };
  }),
  'ct-get-zone-timeout-policy': command('[zone=ZONE]', 'Show the timeout policies of zones', ({ conntrack }, args) => {
    const zone = onlyZone(args);
    const policies = conntrack.zoneTimeoutPolicies().filter((each) => zone === undefined || each.zone === zone);
    return { text: policies.map((each) => `zone=${each.zone},policy=${each.id}`).join('\n'), json: policies };
  }),
};
