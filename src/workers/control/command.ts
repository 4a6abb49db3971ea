/** What a control command is, and how it reads its arguments. */

import type { Conntrack } from '../../core/conntrack.ts';
import { UsageError } from '../../core/errors.ts';
import { MAX_ZONE } from '../../core/zones/zone.ts';
import type { DatapathShare } from '../threads/status.ts';
import type { EventHub } from './event-hub.ts';
import type { ReplyPieces } from './server.ts';

export interface CommandContext {
  conntrack: Conntrack;
  share: DatapathShare;
  /** The datapath's time. */
  nowMs: () => number;
  /** Reply in JSON. */
  json: boolean;
  /** dpctl's -m: all details. */
  more: boolean;
  /** dpctl's -s: with timeouts. */
  statistics: boolean;
  events: EventHub;
  /** Aborted when the client has gone, or the tracker stops. */
  signal: AbortSignal;
}

export interface Command {
  /** Its arguments, as dpctl writes them. */
  usage: string;
  help: string;
  /** @throws UsageError, here or at the first piece, for wrong arguments */
  run: (context: CommandContext, args: string[]) => ReplyPieces;
}

/** A command with a reply in one piece: text, or with --json a value. */
export function command(
  usage: string,
  help: string,
  run: (context: CommandContext, args: string[]) => { text: string; json: unknown },
): Command {
  return {
    usage,
    help,
    run: (context, args) => {
      const { text, json } = run(context, args);
      const shown = context.json ? JSON.stringify(json) : text;
      return shown === '' ? [] : [`${shown}\n`];
    },
  };
}

export function requireNoMore(args: readonly string[]): void {
  if (args.length > 0) {
    throw new UsageError(`unexpected argument '${args[0]}'`);
  }
}

/** The only argument, a whole number. @param name of the argument in messages */
export function onlyNumber(args: readonly string[], name: string, min: number, max: number): number {
  requireNoMore(args.slice(1));
  const [text] = args;
  const value = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || value < min || value > max) {
    const problem = text === undefined ? 'missing' : `malformed: '${text}'`;
    throw new UsageError(`${name} ${problem}; it must be a whole number from ${min} to ${max}`);
  }
  return value;
}

/** A zone, decimal or hexadecimal after 0x. @param shown the argument, as the message quotes it */
export function zoneNumber(text: string, shown: string = text): number {
  const zone = Number(text);
  if (!/^(\d+|0[xX][0-9a-fA-F]+)$/.test(text) || zone > MAX_ZONE) {
    throw new UsageError(`invalid zone '${shown}'; it must be a whole number from 0 to ${MAX_ZONE}`);
  }
  return zone;
}

/** The only argument, `zone=ZONE`, if there is one. */
export function onlyZone(args: readonly string[]): number | undefined {
  requireNoMore(args.slice(1));
  const [arg] = args;
  if (arg === undefined) {
    return undefined;
  }
  if (!arg.startsWith('zone=')) {
    throw new UsageError(`unexpected argument '${arg}'; it takes zone=ZONE`);
  }
  if (arg === 'zone=') {
    throw new UsageError('zone= has no value; it takes zone=ZONE');
  }
  return zoneNumber(arg.slice('zone='.length));
}
