/**
 * ct-bucket: a userspace connection tracker on a bucket table in shared memory.
 *
 * `Conntrack` is a tracker for the calling thread (and, attached, for others); `Datapath` runs one with PMD threads and
 * a sweeper.
 */

export { CtAction, type CtActionOptions, type MaskedLabel, type MaskedMark } from './core/action.ts';
export {
  Conntrack,
  type AttachOptions,
  type BucketFigures,
  type DumpOptions,
  type FlushOptions,
  type ParticipantCounters,
} from './core/conntrack.ts';
export type { ExpectationEntry } from './core/alg/dump.ts';
export { COUNTER_NAMES, type CounterName, type Counters } from './core/counters.ts';
export { type ConnEntry, type TcpInfo } from './core/dump.ts';
export { UsageError } from './core/errors.ts';
export { LockTimeoutError } from './shared/lock-timeout.ts';
export { formatEvent, type FormatEventOptions } from './core/event-format.ts';
export { EventReader, type ConnEvent, type DestroyReason } from './core/event-reader.ts';
export { ConnFilter, type ConnFilterOptions, type TcpStateName, type TupleFilter } from './core/filter.ts';
export { parseConnFilter } from './core/filter-text.ts';
export {
  formatBuckets,
  formatConn,
  formatConnStats,
  formatExpectation,
  formatTupleText,
  formatZoneLimits,
  type FormatConnOptions,
} from './core/format.ts';
export { type ConntrackOptions, type Reclaim, type TableFull, type TrackerMemory } from './core/memory.ts';
export { type FragmentListEntry } from './core/fragments/dump.ts';
export { type FragmentFamilyStatus, type FragmentStatus, type IpFamily } from './core/fragments/settings.ts';
export { type NatOptions } from './core/nat/action.ts';
export { clearPacket, MAX_BATCH, PacketBatch, type PacketMetadata } from './core/packet/batch.ts';
export { ChecksumBit, CtState, PacketWord } from './core/packet/layout.ts';
export { type RepairReport } from './core/repair.ts';
export { stateNames } from './core/state.ts';
export { type ConnStats } from './core/stats.ts';
export { timeoutAttributeNames, type TimeoutPolicy } from './core/timeouts.ts';
export { originalTuple, type IcmpTuple, type OriginalTuple, type PortTuple, type Tuple } from './core/tuple.ts';
export { type ZoneLimit } from './core/zone-limits.ts';
export { Datapath, type DatapathOptions, type PacketOptions, type PushOptions } from './workers/datapath.ts';
export { type WorkerState } from './workers/group.ts';
export { type WorkerHang } from './workers/hang-watch.ts';
export { type WorkerDeath, type WorkerRole } from './workers/keeper.ts';
export { systemTimeMs, type DatapathClock } from './workers/status.ts';
export { tuneCompiler } from './workers/compiler.ts';
export { Control } from './workers/control.ts';
export { defaultSocketPath, prepareSocketPath } from './workers/control/socket-path.ts';
