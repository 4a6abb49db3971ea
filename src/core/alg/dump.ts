/** Expectations as users see them. Allocates; for threads other than PMDs. */

import { formatLabel } from '../action.ts';
import { metaProtocol, metaZone } from '../packet/key.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { Alg } from './helper-tables.ts';
import { formatTuple, type Tuple } from '../inspect/tuple.ts';
import { EntryWord } from './expectation-layout.ts';

/** A connection that a helper expects. */
export interface ExpectationEntry {
  /** The expected tuple. Source port 0: any. */
  orig: Tuple;
  /** The original tuple of the control connection. */
  parent: Tuple;
  zone: number;
  /** The mark and label that the data connection inherits. */
  mark: number;
  /** 32 hexadecimal digits. */
  label: string;
  /** IP protocol number. */
  proto: number;
}

function entryOf(entry: Int32Array): ExpectationEntry {
  const meta = entry[EntryWord.META]!;
  const place = (ports: number, src: number, dst: number) => ({ words: entry, ports, src, dst, src6: src, dst6: dst });
  return {
    orig: formatTuple(meta, place(EntryWord.PORTS, EntryWord.SRC, EntryWord.DST)),
    parent: formatTuple(meta, place(EntryWord.PARENT_PORTS, EntryWord.PARENT_SRC, EntryWord.PARENT_DST)),
    zone: metaZone(meta),
    mark: entry[EntryWord.MARK]! >>> 0,
    label: formatLabel(entry, EntryWord.LABEL),
    proto: metaProtocol(meta),
  };
}

interface Handle {
  readonly alg: Alg;
  /** The calling thread's own. */
  readonly participant: Participant;
}

/**
 * All expectations, or those of a zone, in no particular order. Expectations that come or go meanwhile may or may not
 * be listed.
 */
export function dumpExpectations({ alg, participant }: Handle, zone: number | undefined): ExpectationEntry[] {
  const entries: ExpectationEntry[] = [];
  alg.expectations.visit(participant, (entry) => {
    if (zone === undefined || metaZone(entry[EntryWord.META]!) === zone) {
      entries.push(entryOf(entry));
    }
  });
  return entries;
}
