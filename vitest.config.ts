import { configDefaults, defineConfig } from 'vitest/config';
import { loadCompiled } from './test/support/compiled.ts';
import { SlowFirst } from './test/support/slow-first.ts';

/* Minutes to hours: `npm run test:long`. */
const LONG = 'test/**/*.long.test.ts';

/** Tests that do not care when their threads run, or start none but those of the commands they run: three files at a time. */
const QUIET = [
  'test/core/inspect/address-text.test.ts',
  'test/core/path/batch-order.test.ts',
  'test/bench/{budget,report,review-table,statistics,variants}.test.ts',
  'test/bench/count/*.test.ts',
  'test/bench/machine/*.test.ts',
  'test/bench/rate/{accounting,rate,rate-files,receive-ring,schedule,search}.test.ts',
  'test/bench/report/*.test.ts',
  'test/bench/workloads/zones.test.ts',
  'test/core/counters.test.ts',
  'test/core/engines/*.test.ts',
  'test/core/expiry/{sweep-visits,wheel,wrong-clocks}.test.ts',
  'test/core/fragments/fragments-flood.test.ts',
  'test/core/lifecycle/{floods,reclaim}.test.ts',
  'test/core/packet/hash-flooding.test.ts',
  'test/core/proto/tcp-table.test.ts',
  'test/core/zones/zone-lists.test.ts',
  'test/history/checker.test.ts',
  'test/shared/memory/word-layout.test.ts',
  'test/core/table/bucket-growth.test.ts',
  'test/cli/capture/*.test.ts',
  'test/reference/captures.test.ts',
  'test/cli/cli.test.ts',
  'test/cli/ctl-grammar.test.ts',
  'test/cli/durations.test.ts',
  'test/cli/command-ends.test.ts',
  'test/core/inspect/dump-text.test.ts',
  'test/core/inspect/dump-waits-for-nobody.test.ts',
  'test/core/lifecycle/early-drop.test.ts',
  'test/core/execute-refuses.test.ts',
  'test/core/events/event-assured.test.ts',
  'test/core/alg/expectations.test.ts',
  'test/core/expiry/expiry-and-clock.test.ts',
  'test/explorer/*.test.ts',
  'test/core/inspect/filter.test.ts',
  'test/core/inspect/filter-grammar.test.ts',
  'test/core/fragments/fragments.test.ts',
  'test/core/fragments/fragments-replay.test.ts',
  'test/core/alg/ftp-messages.test.ts',
  'test/core/alg/ftp-rewriting.test.ts',
  'test/fuzz/*.test.ts',
  'test/core/packet/hash.test.ts',
  'test/docs.test.ts',
  'test/imports.test.ts',
  'test/library/*.test.ts',
  'test/shared/sync/lock-waits.test.ts',
  'test/core/memory-options.test.ts',
  'test/host/machine-limits.test.ts',
  'test/core/nat/nat.test.ts',
  'test/core/nat/nat-options.test.ts',
  'test/core/nat/nat-rewriting.test.ts',
  'test/core/nearest-names.test.ts',
  'test/cli/npm-scripts.test.ts',
  'test/host/output-files.test.ts',
  'test/cli/odd-inputs.test.ts',
  'test/cli/option-table.test.ts',
  'test/cli/origin.test.ts',
  'test/build/*.test.ts',
  'test/other-node/*.test.ts',
  'test/pictures/*.test.ts',
  'test/core/path/packet-module.test.ts',
  'test/core/packet/{bounds,checksums,parse-plain,reason}.test.ts',
  'test/shared/memory/slot-steps.test.ts',
  'test/core/expiry/policy-order.test.ts',
  'test/shared/sync/profile-waits-in-vain.test.ts',
  'test/bench/regress/*.test.ts',
  'test/bench/runtimes/*.test.ts',
  'test/core/path/remembered-connection.test.ts',
  'test/core/lifecycle/repair.test.ts',
  'test/cli/run.test.ts',
  'test/cli/run-control.test.ts',
  'test/core/table/same-key.test.ts',
  'test/cli/stopping-commands.test.ts',
  'test/core/sizes-together.test.ts',
  'test/core/path/tcp-established.test.ts',
  'test/core/lifecycle/two-repairers.test.ts',
  'test/core/unknown-options.test.ts',
  'test/core/packet/version-nibble.test.ts',
  'test/host/terminal-words.test.ts',
  'test/reference/vectors.test.ts',
  'test/workers/{stopping,worker-hangs,worker-restarts}.test.ts',
  'test/core/what-is-not-there.test.ts',
  'test/core/what-options-are.test.ts',
  'test/cli/wrong-input.test.ts',
  'test/core/zones/zone-timeout-policies.test.ts',
];

/** Tests of which all or some run in a process with CT_CHECKED=1: threads that meet, and what the references say. */
const CHECKED_TOO = [
  'test/core/lifecycle/early-drop-concurrent.test.ts',
  'test/core/fragments/fragments-threads.test.ts',
  'test/core/alg/ftp-threads.test.ts',
  'test/core/path/linearizability.test.ts',
  'test/core/nat/nat-threads.test.ts',
  'test/core/lifecycle/reclaim.test.ts',
];
const CHECKED_ONLY = ['test/core/table/cleaned-once.test.ts', 'test/core/table/table-concurrent.test.ts'];

/** Tests of packets that the packet module judges, besides those whose batches lie beside their table anyway. */
const IN_MODULE = [
  'test/core/path/{batch-order,linearizability,remembered-connection}.test.ts',
  'test/core/lifecycle/{early-drop,early-drop-concurrent,reclaim}.test.ts',
  'test/core/packet/{checksums,reason}.test.ts',
  'test/core/events/*.test.ts',
  'test/fuzz/fuzzing.test.ts',
];
/** The same for JavaScript: by default the batches of these lie beside their table. */
const IN_JAVASCRIPT = ['test/reference/*.test.ts', 'test/workers/worker-restarts.test.ts'];

export default defineConfig({
  plugins: [loadCompiled()],
  test: {
    server: { deps: { external: [/\/\.compiled\//] } },
    /* Failure deadlines, for a machine on which everything takes ten times as long. */
    testTimeout: 600_000,
    hookTimeout: 600_000,
    globalSetup: ['test/support/build.ts'],
    sequence: { sequencer: SlowFirst },
    reporters: ['default', './test/summary-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'quiet',
          include: QUIET,
          exclude: [...configDefaults.exclude, LONG],
          /* One more than there are cores: many wait for a command, or for a time that must pass. */
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        /* Threads of a test and vitest's own share two cores: one file at a time keeps them from starving each other. */
        extends: true,
        test: {
          name: 'threads',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, LONG, ...QUIET, ...CHECKED_ONLY],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        /* Each batch through the packet module, also one that lies elsewhere. */
        extends: true,
        test: {
          name: 'module',
          include: IN_MODULE,
          env: { CT_PACKET_PATH: 'module' },
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'javascript',
          include: IN_JAVASCRIPT,
          env: { CT_PACKET_PATH: 'javascript' },
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'quiet, checked',
          include: ['test/reference/vectors.test.ts'],
          env: { CT_CHECKED: '1' },
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        /* Most of their time goes into starting threads from source. */
        extends: true,
        test: {
          name: 'checked',
          include: [...CHECKED_ONLY, ...CHECKED_TOO],
          env: { CT_CHECKED: '1' },
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
