/**
 * Commands about connections. Each walks the table bucket by bucket, or a zone piece by piece. In between it is outside the epoch and may wait for a slow
 * client without holding anything back. Connections that are created or removed meanwhile may or may not be in the reply.
 */

import { updateClock } from '../../core/expiry/clock.ts';
import type { Conntrack } from '../../core/conntrack.ts';
import { UsageError } from '../../core/errors.ts';
import type { ConnFilter } from '../../core/inspect/filter.ts';
import { parseConnFilter } from '../../core/inspect/filter-text.ts';
import { flushPiece } from '../../core/lifecycle/flush.ts';
import { formatBuckets, formatConn, formatConnStats, formatExpectation } from '../../core/inspect/format.ts';
import { type ConnStats, countPiece, emptyStats } from '../../core/inspect/stats.ts';
import { type TableWalk, walkOf } from '../../core/inspect/table-walk.ts';
import { onlyZone, requireNoMore, type Command, type CommandContext } from './command.ts';

const FILTER_USAGE = '[zone=ZONE] [mark=VALUE[/MASK]] [labels=VALUE[/MASK]] [ORIG-TUPLE [REPLY-TUPLE]]';

/** Most connections of a piece. */
const PIECE_ENTRIES = 1000;

/** An empty piece: lets the server serve other clients. */
const TURN = '';

/** Entries as lines of text, or as a JSON array with one entry a line. */
class Listing<Entry> {
  readonly #isJson: boolean;
  readonly #format: (entry: Entry) => string;
  #isFirst = true;

  constructor(isJson: boolean, format: (entry: Entry) => string) {
    this.#isJson = isJson;
    this.#format = format;
  }

  text(entries: readonly Entry[]): string {
    let text = '';
    for (const entry of entries) {
      if (this.#isJson) {
        text += `${this.#isFirst ? '[' : ','}\n${JSON.stringify(entry)}`;
      } else {
        text += `${this.#format(entry)}\n`;
      }
      this.#isFirst = false;
    }
    return text;
  }

  end(): string {
    if (!this.#isJson) {
      return '';
    }
    return this.#isFirst ? '[]\n' : '\n]\n';
  }
}

function* dumpConntrack(context: CommandContext, args: string[]): Generator<string, void, void> {
  const { conntrack, json, more, statistics } = context;
  const filter = parseConnFilter(args);
  const listing = new Listing(json, (entry: Parameters<typeof formatConn>[0]) =>
    formatConn(entry, { more, statistics }),
  );
  for (const entries of conntrack.dump({ nowMs: context.nowMs(), filter })) {
    /* A bucket may hold any number of connections. */
    for (let at = 0; at === 0 || at < entries.length; at += PIECE_ENTRIES) {
      yield listing.text(entries.slice(at, at + PIECE_ENTRIES));
    }
  }
  yield listing.end();
}

/** Calls `work` for each piece of a walk over all connections, or over those of a zone. Each time it is in a new epoch. */
function* eachPiece(
  { tracker }: Conntrack,
  zone: number | undefined,
  work: (walk: TableWalk) => void,
): Generator<string, void, void> {
  const walk = walkOf(tracker, zone);
  while (!walk.isDone) {
    tracker.enter();
    try {
      work(walk);
    } finally {
      tracker.quiesce();
      tracker.leave();
    }
    yield TURN;
  }
}

function* flushConntrack(context: CommandContext, args: string[]): Generator<string, void, void> {
  const { conntrack, json } = context;
  const filter: ConnFilter = parseConnFilter(args);
  const { fiveTuple } = filter;
  let flushed = 0;
  if (fiveTuple !== undefined) {
    /* As in Open vSwitch: one connection, by the tuple of either direction. Default: zone 0. */
    if (!conntrack.flushTuple(fiveTuple, { nowMs: context.nowMs(), zone: filter.options.zone ?? 0 })) {
      throw new UsageError('no such connection');
    }
    flushed = 1;
  } else {
    const { tracker } = conntrack;
    yield* eachPiece(conntrack, filter.options.zone, (walk) => {
      /* Events of the removals get this time. */
      updateClock(tracker, context.nowMs());
      flushed += flushPiece(tracker, walk, filter);
      context.events.collect();
    });
  }
  if (json) {
    yield `${JSON.stringify({ flushed })}\n`;
  }
}

function* dumpExpectations(context: CommandContext, args: string[]): Generator<string, void, void> {
  const zone = onlyZone(args);
  const listing = new Listing(context.json, formatExpectation);
  yield listing.text(context.conntrack.dumpExpectations(zone === undefined ? {} : { zone }));
  yield listing.end();
}

function* countAll(context: CommandContext, zone: number | undefined, stats: ConnStats): Generator<string, void, void> {
  const { tracker } = context.conntrack;
  yield* eachPiece(context.conntrack, zone, (walk) => {
    countPiece(tracker, stats, walk, updateClock(tracker, context.nowMs()));
  });
}

function* showStats(context: CommandContext, args: string[]): Generator<string, void, void> {
  /* dpctl accepts this word, for old clients. */
  const verbose = context.more || args.includes('verbose');
  const zone = onlyZone(args.filter((arg) => arg !== 'verbose'));
  const stats = emptyStats(context.conntrack.tracker.table.bucketCount);
  yield* countAll(context, zone, stats);
  const { total, byProtocol, tcpByState } = stats;
  yield `${context.json ? JSON.stringify({ total, byProtocol, tcpByState }) : formatConnStats(stats, { verbose })}\n`;
}

function threshold(args: readonly string[]): number {
  requireNoMore(args.slice(1));
  const [arg] = args;
  if (arg === undefined) {
    return 0;
  }
  if (!/^gt=\d+$/.test(arg)) {
    throw new UsageError(`unexpected argument '${arg}'; it takes gt=THRESHOLD`);
  }
  return Number(arg.slice('gt='.length));
}

function* showBuckets(context: CommandContext, args: string[]): Generator<string, void, void> {
  const greaterThan = threshold(args);
  const stats = emptyStats(context.conntrack.tracker.table.bucketCount);
  yield* countAll(context, undefined, stats);
  if (!context.json) {
    yield formatBuckets(stats, { greaterThan });
    return;
  }
  const buckets = context.conntrack
    .buckets()
    .map((figures, bucket) => ({ ...figures, connections: stats.byBucket[bucket]! }))
    .filter(({ connections }) => args.length === 0 || connections > greaterThan);
  yield `${JSON.stringify({ total: stats.total, bucketCount: stats.byBucket.length, buckets })}\n`;
}

export const DUMP_COMMANDS: Record<string, Command> = {
  'dump-conntrack': {
    usage: FILTER_USAGE,
    help: 'List connections; -m with all details, -s with timeouts. Further filters: state=TCP-STATE, seen=replied|unreplied|established',
    run: dumpConntrack,
  },
  'flush-conntrack': { usage: FILTER_USAGE, help: 'Remove connections', run: flushConntrack },
  'dump-conntrack-exp': {
    usage: '[zone=ZONE]',
    help: 'List the connections that helpers expect (FTP data)',
    run: dumpExpectations,
  },
  'ct-stats-show': {
    usage: '[zone=ZONE]',
    help: 'Count connections by protocol; -m by TCP state, too',
    run: showStats,
  },
  'ct-bkts': {
    usage: '[gt=THRESHOLD]',
    help: 'Count the connections of each bucket, or only of those with more than THRESHOLD',
    run: showBuckets,
  },
};
