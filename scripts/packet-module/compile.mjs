/**
 * Compiles the packet path to a WebAssembly module, from the sources that the JavaScript build has too: `scripts/build.mjs` and the
 * tests call it. docs/packet-module.md says how and why.
 */

import { join } from 'node:path';
import { Lowering } from './lower.mjs';
import { Sources } from './sources.mjs';

/** Functions that the module calls in JavaScript: rare, or in need of the system. */
const OUTSIDE = [
  'waitForLock',
  'notify',
  'parseAny',
  'hashIpv6',
  'areSameWords',
  'findTranslated',
  'leaveUnconnected',
  'cutByForce',
  'classifyByOriginal',
  'beforeUpdate',
  'afterUpdate',
  'openAnew',
  'translatePacket',
  'handleControl',
  'readLabel',
  'applyMarks',
  'rejectPacket',
  'processRemembered',
  'processWhole',
  'isForHelper',
  'removeConn',
  'find',
  'emitUpdate',
  'requestVisit',
  'prefetchCredits',
  'releasePrefetched',
  'directionOfIpv6',
  'writeParentTuple',
  'prepareSpecial',
  'refuse',
  'fillOpening',
  'emitNewBy',
  'commitNew',
  'removeStale',
  'dropRecord',
  'findConnLocked',
  'noteRivals',
  'placeLocked',
  'createByDefault',
  'takeFromPool',
  'evictForQuota',
  'releaseZoneQuota',
  'releaseQuota',
  'refill',
  'writeExpected',
  'addSegment',
];

/** What is the same whenever the module runs: it is not used otherwise (src/core/path/packet-module.ts). */
const KNOWN = {
  'action.nat': null,
  'action.force': false,
  'action.hasMark': false,
  'action.hasLabel': false,
  'action.hasHelper': false,
  'tracker.checks': undefined,
};

/** @param exportsOf path of a module -> its exports @returns bytes, and what the glue has to pass */
export function compilePacketModule({ root, exportsOf }) {
  const sources = new Sources({ root, exportsOf });
  const file = (path) => sources.module(join(root, path));
  const lowering = new Lowering(sources, {
    outside: new Set(OUTSIDE),
    known: KNOWN,
    perCall: ['batch.words', 'batch.slots', 'action.zone', 'action.commit', 'action.timeoutPolicy'],
    classes: {
      'tracker.expiry': { module: file('src/core/engines/bucket-sweep/bucket-sweep.ts'), name: 'BucketSweep' },
    },
    isWholeMemory: (path) => /^tracker\..*(words|records)$/.test(path) && !/zoneLists(\.slab)?\.words$/.test(path),
  });
  lowering.importMemory({ initialPages: 1, maximumPages: 65_536 });
  const object = (path, module, name) => ({ kind: 'object', path, type: sources.resolve(file(module), name) });
  const tracker = object('tracker', 'src/core/tracker.ts', 'Tracker');
  const batch = object('batch', 'src/core/packet/batch.ts', 'PacketBatch');
  const action = object('action', 'src/core/action.ts', 'CtAction');
  const number = { kind: 'runtime' };
  const root1 = sources.resolve(file('src/core/path/stage-parse.ts'), 'parseAndHash');
  lowering.addRoot(root1, [tracker, batch, action, number], 'parseAndHash');
  const root2 = sources.resolve(file('src/core/path/judge-batch.ts'), 'judgeBatch');
  lowering.addRoot(root2, [tracker, batch, action, number, number], 'judgeBatch');
  const bytes = lowering.emit();
  return { bytes, needs: lowering.needs, text: () => lowering.text() };
}
