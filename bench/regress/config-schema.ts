/** The schema of the configuration of `ct-bucket regress`: meaning, range and default of each member. */

import * as v from 'valibot';
import { MAX_CONNECTIONS } from '../../src/core/memory/table-options.ts';
import { list, onlyObject } from '../../src/host/file-schema.ts';

function whole(description: string, least: number, most: number) {
  const message = `a whole number from ${least} to ${most}`;
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(least, message),
    v.maxValue(most, message),
    v.description(description),
  );
}

function percent(description: string, least = 0) {
  const message = `a number of percent from ${least} to 1000`;
  return v.pipe(v.number(message), v.minValue(least, message), v.maxValue(1000, message), v.description(description));
}

function name(pattern: RegExp, message: string, description: string) {
  return v.pipe(v.string(message), v.regex(pattern, message), v.description(description));
}

const POWERS_OF_TWO = Array.from({ length: 17 }, (_, bits) => 2 ** bits);

/** A gate: what is tolerated, and optionally what is never fine. */
function gate(what: string) {
  const message = 'a number of percent from 0 to 1000, or an object with tolerate and alarm';
  return v.exactOptional(
    v.pipe(
      v.union(
        [
          percent('Tolerated, in percent. The alarm follows from aimPercent.'),
          onlyObject({
            tolerate: percent('A smaller change is no regression, however certain it is, in percent.'),
            alarm: percent('A change as large as this is never fine, in percent.'),
          }),
        ],
        message,
      ),
      v.description(what),
    ),
  );
}

const gates = v.pipe(
  onlyObject({
    time: gate('Increase of the time: processor time of one thread, wall-clock time of several.'),
    memory: gate('Increase of the bytes per connection.'),
    contention: gate('Increase of lock contention. Builds that do not report contention are not judged.'),
    scaling: gate('Loss of speed-up, against the case with one thread and otherwise equal members.'),
  }),
  v.minEntries(1, 'an object with at least one gate: time, memory, contention or scaling'),
  v.description(
    'What is judged: tolerate and alarm, or what is tolerated alone. A figure without a gate is not judged.',
  ),
);

const regressCase = onlyObject({
  name: name(
    /^\S(.*\S)?$/,
    'a name in one line, without blanks at its ends',
    'Name of the case in reports. Each case has its own.',
  ),
  workload: name(
    /^[a-z0-9-]+$/,
    'the name of a workload: see ct-bucket bench --help',
    'Workload of `ct-bucket bench`.',
  ),
  threads: whole('Threads that work on the table.', 1, 64),
  connections: whole('Connections in the table.', 1000, MAX_CONNECTIONS),
  batchSize: v.optional(whole('Packets in a batch.', 1, 32), 32),
  buckets: v.optional(
    v.pipe(v.picklist(POWERS_OF_TWO, 'a power of two from 1 to 65536'), v.description('Buckets of the table.')),
    1024,
  ),
  repetitions: v.optional(whole('Measurements in each process. Their median counts.', 1, 1000), 30),
  rehearsals: v.optional(whole('Tables that a process fills to warm up, before it measures.', 2, 100), 2),
  rehearsalConnections: v.optional(
    whole('Connections in each table of the warm-up. Slices take at most 3000.', 1000, 1_000_000),
    50_000,
  ),
  gates,
});

/** `npm run schema` writes it to ct-bucket.regress.schema.json, for editors. A test fails if that file is out of date. */
export const CONFIG_SCHEMA = v.pipe(
  onlyObject({
    $schema: v.optional(v.pipe(v.string('a text'), v.description('Where editors find this schema.'))),
    budgetSeconds: v.optional(whole('Time limit of one verdict, in seconds.', 10, 86_400), 110),
    aimPercent: v.optional(
      percent('The alarm of gates that name none, in percent; at least twice what they tolerate.', 0.1),
      5,
    ),
    maxPairs: v.optional(
      whole(
        'Most pairs of samples for a case. The fewest that its figures need are taken even if they are more.',
        6,
        1000,
      ),
      40,
    ),
    cases: v.pipe(
      list(regressCase),
      v.minLength(1, 'a list with at least one case'),
      v.description('What is measured.'),
    ),
  }),
  v.title('Configuration of ct-bucket regress'),
);
