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
  type CloseOptions,
  type DumpOptions,
  type FlushOptions,
  type ParticipantCounters,
  type TimedZoneOptions,
  type ZoneOptions,
} from './core/conntrack.ts';
export type { ExpectationEntry } from './core/alg/dump.ts';
export { COUNTER_NAMES, type CounterName, type Counters } from './core/counters.ts';
export { type ConnEntry, type TcpInfo } from './core/dump.ts';
export { UsageError, type UsageErrorCode } from './core/errors.ts';
export { LockTimeoutError } from './shared/lock-timeout.ts';
export { ErrorCode, type ErrorCodeName } from './shared/error-codes.ts';
export { DatapathError } from './workers/datapath-error.ts';
export { formatEvent, type FormatEventOptions } from './core/event-format.ts';
export { EventReader, type ConnEvent, type DestroyReason, type FollowOptions } from './core/event-reader.ts';
export {
  ConnFilter,
  type ConnFilterOptions,
  type IpFamilyName,
  type TcpStateName,
  type TupleFilter,
} from './core/filter.ts';
export { parseConnFilter } from './core/filter-text.ts';
export {
  formatBuckets,
  formatConn,
  formatConnStats,
  formatExpectation,
  formatTupleText,
  formatZoneLimits,
  type FormatBucketsOptions,
  type FormatConnOptions,
  type FormatConnStatsOptions,
} from './core/format.ts';
export { type ConntrackOptions, type Reclaim, type TableFull, type TrackerMemory } from './core/memory.ts';
export { type FragmentListEntry, type FragmentListState } from './core/fragments/dump.ts';
export {
  type FragmentFamilyStatus,
  type FragmentSettings,
  type FragmentStatus,
  type IpFamily,
} from './core/fragments/settings.ts';
export { type NatOptions } from './core/nat/action.ts';
export { clearPacket, MAX_BATCH, PacketBatch, type PacketMetadata, type SpareMemory } from './core/packet/batch.ts';
export { ChecksumBit, CtState, PacketWord } from './core/packet/layout.ts';
export { type RepairOptions, type RepairReport } from './core/repair.ts';
export { type StateName, stateNames, stateText } from './core/state.ts';
export { type InvalidReason, invalidReason, type RefusedReason, refusedReason } from './core/packet/reason.ts';
export { type EngineName } from './core/engines/engine.ts';
export { type Steering } from './core/flow.ts';
export { type Words } from './shared/access.ts';
export { type ConnStats } from './core/stats.ts';
export { timeoutAttributeNames, type TimeoutPolicy } from './core/timeouts.ts';
export {
  originalTuple,
  type IcmpTuple,
  type OriginalTuple,
  type PortTuple,
  type Tuple,
  type TupleEnds,
} from './core/tuple.ts';
export { type ZoneLimit } from './core/zone-limits.ts';
export { Datapath, type DatapathOptions } from './workers/datapath.ts';
export { type PacketOptions, type PushOptions } from './workers/packet-options.ts';
export { type DatapathEventName, type DatapathEvents, type DatapathListener } from './workers/listeners.ts';
export { type VerdictsOptions } from './workers/verdict-stream.ts';
export { type PacketVerdict, VerdictView } from './workers/verdict-view.ts';
export { MAX_ACTIONS } from './workers/action-table.ts';
export { type WorkerState } from './workers/group.ts';
export { type Stuck, type WorkerHang } from './workers/hang-watch.ts';
export { type WorkerDeath, type WorkerRole } from './workers/keeper.ts';
export { systemTimeMs, type DatapathClock } from './workers/status.ts';
export { tuneCompiler } from './workers/compiler.ts';
export { Control, type ControlOptions } from './workers/control.ts';
export { defaultSocketPath, prepareSocketPath } from './workers/control/socket-path.ts';
