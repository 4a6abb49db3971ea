/**
 * One sample of an attack. `node attack-sample.js '<AttackSampleOptions>'` prints an AttackResult as a line of JSON.
 * The attack first runs small, on other tables, until the compiler has nothing left to do.
 */

import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { type AttackName, attackOf } from './registry.ts';
import { runAttack } from './run.ts';

export interface AttackSampleOptions {
  name: AttackName;
  packets: number;
  connections: number;
  seed: number;
  buckets: number;
}

const REHEARSALS = 3;
const MOST_REHEARSED = 40_000;

const { name, packets, connections, seed, buckets } = JSON.parse(process.argv[2]!) as AttackSampleOptions;
tuneCompiler();
const attack = attackOf(name);
const share = Math.min(1, MOST_REHEARSED / packets);
for (let rehearsal = 1; rehearsal <= REHEARSALS; rehearsal++) {
  const small = { packets: Math.ceil(packets * share), connections: Math.ceil(connections * share) };
  runAttack(attack, { ...small, seed: seed + rehearsal }, tableOptions());
}
console.log(JSON.stringify(runAttack(attack, { packets, connections, seed }, tableOptions())));

/** An attack that sets the number of buckets needs that number. */
function tableOptions() {
  return attack.tableOf({ packets, connections, seed }).buckets === undefined ? { buckets } : {};
}
