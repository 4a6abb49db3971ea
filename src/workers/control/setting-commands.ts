/** Commands that read and change settings and limits of the tracker, and print its counters. */

import { type Counters, countersOfParticipant } from '../../core/counters.ts';
import { UsageError } from '../../core/errors.ts';
import { formatZoneLimits } from '../../core/inspect/format.ts';
import type { ZoneLimit } from '../../core/zones/zone-limits.ts';
import { load } from '../../shared/access.ts';
import { StatusWord } from '../threads/status.ts';
import { command, onlyNumber, requireNoMore, type Command, type CommandContext } from './command.ts';
import { defaultLimitOf, zoneLimitOf, zonesOf } from './limit-arguments.ts';

const MAX_INTERVAL_MS = 0x7fffffff;

function setTcpSeqChk(isOn: boolean): Command {
  const doing = isOn ? 'enabling' : 'disabling';
  return command('', `${isOn ? 'Check' : 'Do not check'} TCP sequence numbers`, ({ conntrack }, args) => {
    requireNoMore(args);
    conntrack.tcpSeqChk = isOn;
    return { text: `${doing} TCP sequence checking successful`, json: { tcpSeqChk: isOn } };
  });
}

/** The default limit, and limits of zones. @param zones undefined: all zones with a limit of their own */
function limitsOf({ conntrack }: CommandContext, zones: number[] | undefined): ZoneLimit[] {
  if (zones === undefined) {
    return conntrack.zoneLimits();
  }
  return [conntrack.zoneLimit('default'), ...zones.map((zone) => ({ ...conntrack.zoneLimit(zone), zone }))];
}

/** Totals, and a column for each PMD. */
function counters({ conntrack, share }: CommandContext, args: string[]): { text: string; json: unknown } {
  requireNoMore(args);
  const { participants } = conntrack.tracker;
  const pmds = Array.from({ length: share.threads }, (_, pmd) =>
    countersOfParticipant(participants, load(share.status, StatusWord.PARTICIPANT + pmd) - 1),
  );
  /* Read last, so that no PMD has more than the total. */
  const all = conntrack.counters();
  const names = Object.keys(all) as (keyof Counters)[];
  const rows = names.map((name) => [name, all[name], ...pmds.map((pmd) => pmd[name])]);
  const lines = [['', 'total', ...pmds.map((_, pmd) => `pmd ${pmd}`)], ...rows].map(([name, ...values]) =>
    [String(name).padEnd(18), ...values.map((value) => String(value).padStart(12))].join(' '),
  );
  return { text: lines.join('\n'), json: { ...all, pmds } };
}

export const SETTING_COMMANDS: Record<string, Command> = {
  'ct-set-maxconns': command('MAXCONNS', 'Limit the number of connections', ({ conntrack }, args) => {
    conntrack.maxConnections = onlyNumber(args, 'maxconns', 0, conntrack.memory.maxConnections);
    return { text: 'setting maxconns successful', json: { maxconns: conntrack.maxConnections } };
  }),
  'ct-get-maxconns': command('', 'Print the limit of connections', ({ conntrack }, args) => {
    requireNoMore(args);
    return { text: `${conntrack.maxConnections}`, json: { maxconns: conntrack.maxConnections } };
  }),
  'ct-get-nconns': command('', 'Print the number of connections', ({ conntrack }, args) => {
    requireNoMore(args);
    const nconns = conntrack.connCount;
    return { text: `${nconns}`, json: { nconns } };
  }),
  'ct-enable-tcp-seq-chk': setTcpSeqChk(true),
  'ct-disable-tcp-seq-chk': setTcpSeqChk(false),
  'ct-get-tcp-seq-chk': command('', 'Print whether TCP sequence numbers are checked', ({ conntrack }, args) => {
    requireNoMore(args);
    const { tcpSeqChk } = conntrack;
    return { text: `TCP sequence checking: ${tcpSeqChk ? 'enabled' : 'disabled'}`, json: { tcpSeqChk } };
  }),
  'ct-set-sweep-interval': command(
    'MS',
    'Set the time between the starts of two sweeps, in ms',
    ({ conntrack }, args) => {
      conntrack.sweepIntervalMs = onlyNumber(args, 'sweep interval', 1, MAX_INTERVAL_MS);
      return { text: 'setting sweep interval successful', json: { sweepIntervalMs: conntrack.sweepIntervalMs } };
    },
  ),
  'ct-get-sweep-interval': command('', 'Print the sweep interval, in ms', ({ conntrack }, args) => {
    requireNoMore(args);
    return { text: `${conntrack.sweepIntervalMs}`, json: { sweepIntervalMs: conntrack.sweepIntervalMs } };
  }),
  'ct-set-limits': command(
    '[default=LIMIT] [zone=ZONE,limit=LIMIT]...',
    'Limit the connections of zones; default=0 removes the default limit',
    (context, args) => {
      if (args.length === 0) {
        throw new UsageError('too few arguments; it takes [default=LIMIT] [zone=ZONE,limit=LIMIT]...');
      }
      /* All arguments are checked before the first limit is set. */
      const first = defaultLimitOf(args[0]!);
      const zones = args.slice(first === undefined ? 0 : 1).map(zoneLimitOf);
      if (first !== undefined) {
        context.conntrack.setZoneLimit('default', first);
      }
      zones.forEach(({ zone, limit }) => context.conntrack.setZoneLimit(zone, limit));
      return {
        text: '',
        json: limitsOf(
          context,
          zones.map(({ zone }) => zone),
        ),
      };
    },
  ),
  'ct-del-limits': command('[default] [zone=ZONE[,ZONE]...]', 'Delete limits of zones', (context, args) => {
    if (args.length === 0) {
      throw new UsageError('too few arguments; it takes [default] [zone=ZONE[,ZONE]...]');
    }
    const isDefault = args[0] === 'default';
    const [list, ...more] = args.slice(isDefault ? 1 : 0);
    requireNoMore(more);
    const zones = list === undefined ? [] : zonesOf(list);
    if (isDefault) {
      context.conntrack.deleteZoneLimit('default');
    }
    zones.forEach((zone) => context.conntrack.deleteZoneLimit(zone));
    return { text: '', json: limitsOf(context, zones) };
  }),
  'ct-get-limits': command('[zone=ZONE[,ZONE]...]', 'Show limits and their usage', (context, args) => {
    requireNoMore(args.slice(1));
    const limits = limitsOf(context, args[0] === undefined ? undefined : zonesOf(args[0]));
    return { text: formatZoneLimits(limits), json: limits };
  }),
  counters: command('', 'Show all counters, in total and per PMD (not in dpctl)', counters),
};
