/** Connections as users see them. It allocates, and is for threads other than PMDs. */

import { load, peek } from '../../shared/access.ts';
import { formatLabel } from '../action.ts';
import type { Alg } from '../alg/helper-tables.ts';
import type { ConnFilter } from './filter.ts';
import { metaProtocol, metaZone, reverseMeta } from '../packet/key.ts';
import { PacketWord, Protocol } from '../packet/layout.ts';
import {
  origTcpState,
  replyTcpState,
  SCALE_KNOWN,
  SCALE_MASK,
  SCALE_UNKNOWN,
  tcpStateName,
} from '../proto/tcp-state.ts';
import { ConnFlag, ConnWord, HELPER_NAME_MASK, isStale } from '../table/conn.ts';
import type { TableHandle } from '../memory/table-handle.ts';
import type { TableWalk } from './table-walk.ts';
import { formatTuple, type Tuple } from './tuple.ts';
import { readLabel } from '../path/verdict.ts';

/** A table, and the names of its helpers. */
type Listed = TableHandle & { readonly alg: Alg };

/** Flags of a TCP peer, with the values of ct-dpif. */
const TCP_FLAG_WINDOW_SCALE = 1;
const TCP_FLAG_BE_LIBERAL = 8;

export interface TcpInfo {
  /** State of each sender: CLOSED, SYN_SENT, ESTABLISHED, CLOSING, FIN_WAIT_2, TIME_WAIT. */
  stateOrig: string;
  stateReply: string;
  /** Window scales, 0..14. */
  wscaleOrig: number;
  wscaleReply: number;
  /** 1: its SYN had the window scale option; 8: picked up in mid-stream, scale unknown. */
  flagsOrig: number;
  flagsReply: number;
}

export interface ConnEntry {
  orig: Tuple;
  reply: Tuple;
  zone: number;
  mark: number;
  /** 32 hexadecimal digits. */
  label: string;
  /** Milliseconds until it expires. */
  timeoutMs: number;
  tcp?: TcpInfo;
  /** Name of the application helper. */
  helper?: string;
  /** Of a data connection: the original tuple of its control connection. */
  parent?: Tuple;
}

const labelScratch = new Int32Array(PacketWord.LABEL + 4);

function tcpFlags(scale: number): number {
  return (
    ((scale & SCALE_KNOWN) !== 0 ? TCP_FLAG_WINDOW_SCALE : 0) |
    ((scale & SCALE_UNKNOWN) !== 0 ? TCP_FLAG_BE_LIBERAL : 0)
  );
}

/** From a TCP connection's state word. */
export function tcpInfo(state: number): TcpInfo {
  const scaleOrig = (state >>> 8) & 0xff;
  const scaleReply = (state >>> 16) & 0xff;
  return {
    stateOrig: tcpStateName(origTcpState(state)),
    stateReply: tcpStateName(replyTcpState(state)),
    wscaleOrig: scaleOrig & SCALE_MASK,
    wscaleReply: scaleReply & SCALE_MASK,
    flagsOrig: tcpFlags(scaleOrig),
    flagsReply: tcpFlags(scaleReply),
  };
}

function entryOf(tracker: Listed, r: number, now: number): ConnEntry {
  const records = tracker.words;
  const meta = records[r + ConnWord.META]!;
  const place = {
    words: records,
    ports: r + ConnWord.PORTS,
    src: r + ConnWord.SRC,
    dst: r + ConnWord.DST,
    src6: r + ConnWord.SRC6,
    dst6: r + ConnWord.DST6,
  };
  const isTranslated = (records[r + ConnWord.FLAGS]! & ConnFlag.TRANSLATED) !== 0;
  const reversePlace = isTranslated
    ? {
        words: records,
        ports: r + ConnWord.REV_PORTS,
        src: r + ConnWord.REV_SRC,
        dst: r + ConnWord.REV_DST,
        src6: r + ConnWord.REV_SRC6,
        dst6: r + ConnWord.REV_DST6,
      }
    : { ...place, src: place.dst, dst: place.src, src6: place.dst6, dst6: place.src6, turnsPorts: true };
  readLabel(records, r, labelScratch, 0);
  const entry: ConnEntry = {
    orig: formatTuple(meta, place),
    reply: formatTuple(reverseMeta(meta), reversePlace),
    zone: metaZone(meta),
    mark: peek(records, r + ConnWord.MARK) >>> 0,
    label: formatLabel(labelScratch, PacketWord.LABEL),
    timeoutMs: (peek(records, r + ConnWord.EXPIRES) - now) | 0,
  };
  if (metaProtocol(meta) === Protocol.TCP) {
    /* The state is one word, so reading it needs no lock. */
    entry.tcp = tcpInfo(load(records, r + ConnWord.STATE));
  }
  const flags = records[r + ConnWord.FLAGS]!;
  if ((flags & ConnFlag.HELPER) !== 0) {
    entry.helper = tracker.alg.names.nameOf(records[r + ConnWord.HELPER]! & HELPER_NAME_MASK);
  }
  if ((flags & ConnFlag.RELATED_TO_PARENT) !== 0) {
    entry.parent = formatTuple(records[r + ConnWord.PARENT_META]!, {
      words: records,
      ports: r + ConnWord.PARENT_PORTS,
      src: r + ConnWord.PARENT_SRC,
      dst: r + ConnWord.PARENT_DST,
      src6: r + ConnWord.PARENT_SRC6,
      dst6: r + ConnWord.PARENT_DST6,
    });
  }
  return entry;
}

/**
 * The unexpired connections of the next piece of a walk, or those that match a filter. The caller is inside an epoch.
 * @param now low 32 bits of the clock (updateClock)
 */
export function dumpPiece(tracker: Listed, walk: TableWalk, now: number, filter?: ConnFilter): ConnEntry[] {
  const entries: ConnEntry[] = [];
  walk.visitPiece((_record, r) => {
    if (!isStale(tracker.words, r, now) && (filter === undefined || filter.matches(tracker.words, r))) {
      entries.push(entryOf(tracker, r, now));
    }
  });
  return entries;
}
