/** Events as they happen. */

import { formatEvent } from '../../core/events/event-format.ts';
import type { ConnEvent } from '../../core/events/event-reader.ts';
import { onlyZone, type Command, type CommandContext } from './command.ts';

async function* showEvents(context: CommandContext, args: string[]): AsyncGenerator<string, void, void> {
  const { json, more, statistics, signal } = context;
  const zone = onlyZone(args);
  const line = (event: ConnEvent) =>
    json ? JSON.stringify(event) : formatEvent(event, { timestamp: statistics, id: more });
  for await (const { events, lost } of context.events.listen(signal)) {
    const wanted = zone === undefined ? events : events.filter((event) => event.zone === zone);
    const lines = wanted.map(line);
    if (lost > 0) {
      lines.push(json ? JSON.stringify({ lost }) : `# ${lost} events lost`);
    }
    yield lines.map((text) => `${text}\n`).join('');
  }
}

export const EVENT_COMMANDS: Record<string, Command> = {
  events: {
    usage: '[zone=ZONE]',
    help: 'Print connection events until interrupted, as `conntrack -E`; -s with times, -m with ids (not in dpctl)',
    run: showEvents,
  },
};
