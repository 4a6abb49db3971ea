/**
 * The control protocol: one request and one reply on each connection, in lines of JSON, in UTF-8.
 *
 *   request    {"command": "dump-conntrack", "args": ["zone=5"], "json": true, "more": true, "statistics": true}
 *              Only `command` is required. At most MAX_REQUEST_BYTES, with the line feed
 *   reply      any number of {"text": "..."}: text to print, cut into pieces at any place
 *              last {"exitCode": 0}, or {"exitCode": 2, "error": "one line"} for a wrong request
 *
 * A reply without its last line is incomplete: the tracker ended meanwhile. A client ends the command by closing the connection.
 */

import { UsageError } from '../../core/errors.ts';

export interface ControlRequest {
  command: string;
  args: string[];
  json: boolean;
  more: boolean;
  statistics: boolean;
}

export type ControlReply = { text: string } | { exitCode: number; error?: string };

export const MAX_REQUEST_BYTES = 65_536;

/** @throws UsageError when the line is not a request */
export function parseRequest(line: string): ControlRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new UsageError('a request must be one line of JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('a request must be a JSON object');
  }
  const { command, args = [], ...flags } = value as Record<string, unknown>;
  if (typeof command !== 'string') {
    throw new UsageError('a request must name its command: {"command": "..."}');
  }
  if (!Array.isArray(args) || args.some((arg) => typeof arg !== 'string')) {
    throw new UsageError('the "args" of a request must be a list of strings');
  }
  const request: ControlRequest = { command, args, json: false, more: false, statistics: false };
  for (const name of ['json', 'more', 'statistics'] as const) {
    const flag = flags[name] ?? false;
    if (typeof flag !== 'boolean') {
      throw new UsageError(`"${name}" of a request must be true or false`);
    }
    request[name] = flag;
  }
  return request;
}

export function replyLine(reply: ControlReply): string {
  return `${JSON.stringify(reply)}\n`;
}
