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
export type { ConntrackSettings } from './core/conntrack-settings.ts';
export type { ExpectationEntry } from './core/alg/dump.ts';
export { COUNTER_NAMES, type CounterName, type Counters } from './core/counters.ts';
export { type ConnEntry, type TcpInfo } from './core/inspect/dump.ts';
export { UsageError, type UsageErrorCode } from './core/errors.ts';
export { LockTimeoutError } from './shared/sync/lock-timeout.ts';
export { ErrorCode, type ErrorCodeName } from './shared/error-codes.ts';
export { DatapathError } from './workers/datapath/datapath-error.ts';
export { formatEvent, type FormatEventOptions } from './core/events/event-format.ts';
export { EventReader, type ConnEvent, type DestroyReason, type FollowOptions } from './core/events/event-reader.ts';
export {
  ConnFilter,
  type ConnFilterOptions,
  type IpFamilyName,
  type TcpStateName,
  type TupleFilter,
} from './core/inspect/filter.ts';
export { parseConnFilter } from './core/inspect/filter-text.ts';
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
} from './core/inspect/format.ts';
export type { TrackerMemory } from './core/memory/memory.ts';
export type { ModuleMemory, PacketPlace } from './core/memory/module-memory.ts';
export type { WasmMemory } from './core/memory/web-assembly.ts';
export type { ConntrackOptions, Reclaim, TableFull } from './core/memory/table-options.ts';
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
export { type RepairOptions, type RepairReport } from './core/repair/repair.ts';
export { type StateName, stateNames, stateText } from './core/inspect/state-names.ts';
export { type InvalidReason, invalidReason, type RefusedReason, refusedReason } from './core/packet/reason.ts';
export { type EngineName } from './core/engines/engine.ts';
export { type Steering } from './workers/datapath/flow-steering.ts';
export { type Words } from './shared/access.ts';
export { type ConnStats } from './core/inspect/stats.ts';
export { timeoutAttributeNames, type TimeoutPolicy } from './core/expiry/timeouts.ts';
export {
  originalTuple,
  type IcmpTuple,
  type OriginalTuple,
  type PortTuple,
  type Tuple,
  type TupleEnds,
} from './core/inspect/tuple.ts';
export { type ZoneLimit } from './core/zones/zone-limits.ts';
export { Datapath, type DatapathOptions } from './workers/datapath/datapath.ts';
export { type PacketOptions, type PushOptions } from './workers/datapath/packet-options.ts';
export { type DatapathEventName, type DatapathEvents, type DatapathListener } from './workers/datapath/listeners.ts';
export { type VerdictsOptions } from './workers/datapath/verdict-stream.ts';
export { type PacketVerdict, VerdictView } from './workers/datapath/verdict-view.ts';
export { MAX_ACTIONS } from './workers/datapath/action-table.ts';
export { type WorkerState } from './workers/supervision/group.ts';
export { type Stuck, type WorkerHang } from './workers/supervision/watchdog.ts';
export { type WorkerDeath, type WorkerRole } from './workers/supervision/worker-types.ts';
export { systemTimeMs, type DatapathClock } from './workers/threads/status.ts';
export { tuneCompiler } from './workers/threads/compiler.ts';
export { Control, type ControlOptions } from './workers/control/control-thread.ts';
export { defaultSocketPath, prepareSocketPath } from './workers/control/socket-path.ts';
