import { configDefaults, defineConfig } from 'vitest/config';
import { loadCompiled } from './test/support/compiled.ts';

/* Minutes to hours: `npm run test:long`. */
const LONG = 'test/**/*.long.test.ts';

/** Tests that do not care when their threads run, or start none but those of the commands they run: three files at a time. */
const QUIET = [
  'test/address-text.test.ts',
  'test/batch-order.test.ts',
  'test/bench-*.test.ts',
  'test/bucket-growth.test.ts',
  'test/capture-*.test.ts',
  'test/captures.test.ts',
  'test/cli.test.ts',
  'test/ctl-grammar.test.ts',
  'test/command-ends.test.ts',
  'test/dump-text.test.ts',
  'test/dump-waits-for-nobody.test.ts',
  'test/early-drop.test.ts',
  'test/execute-refuses.test.ts',
  'test/event-assured.test.ts',
  'test/expectations.test.ts',
  'test/expiry-and-clock.test.ts',
  'test/explorer/*.test.ts',
  'test/filter.test.ts',
  'test/filter-grammar.test.ts',
  'test/fragments.test.ts',
  'test/fragments-replay.test.ts',
  'test/ftp-messages.test.ts',
  'test/ftp-rewriting.test.ts',
  'test/fuzzing.test.ts',
  'test/hash.test.ts',
  'test/imports.test.ts',
  'test/lock-waits.test.ts',
  'test/memory-options.test.ts',
  'test/machine-limits.test.ts',
  'test/nat.test.ts',
  'test/nat-options.test.ts',
  'test/nat-rewriting.test.ts',
  'test/nearest-names.test.ts',
  'test/npm-scripts.test.ts',
  'test/output-files.test.ts',
  'test/odd-inputs.test.ts',
  'test/option-table.test.ts',
  'test/packet-*.test.ts',
  'test/place-steps.test.ts',
  'test/policy-order.test.ts',
  'test/profile-waits-in-vain.test.ts',
  'test/regress-*.test.ts',
  'test/remembered-connection.test.ts',
  'test/repair.test.ts',
  'test/run.test.ts',
  'test/run-control.test.ts',
  'test/same-key.test.ts',
  'test/stopping-commands.test.ts',
  'test/sizes-together.test.ts',
  'test/tcp-established.test.ts',
  'test/two-repairers.test.ts',
  'test/unknown-options.test.ts',
  'test/version-nibble.test.ts',
  'test/terminal-words.test.ts',
  'test/vectors.test.ts',
  'test/worker-restarts.test.ts',
  'test/what-is-not-there.test.ts',
  'test/what-options-are.test.ts',
  'test/wrong-input.test.ts',
  'test/zone-timeout-policies.test.ts',
];

/** Tests of which all or some run in a process with CT_CHECKED=1: threads that meet, and what the references say. */
const CHECKED_TOO = [
  'test/early-drop-concurrent.test.ts',
  'test/fragments-threads.test.ts',
  'test/ftp-threads.test.ts',
  'test/linearizability.test.ts',
  'test/nat-threads.test.ts',
  'test/reclaim.test.ts',
];
const CHECKED_ONLY = ['test/cleaned-once.test.ts', 'test/table-concurrent.test.ts'];

export default defineConfig({
  plugins: [loadCompiled()],
  test: {
    server: { deps: { external: [/\/\.compiled\//] } },
    /* Failure deadlines, for a machine on which everything takes ten times as long. */
    testTimeout: 600_000,
    hookTimeout: 600_000,
    globalSetup: ['test/support/build.ts'],
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
        extends: true,
        test: {
          name: 'quiet, checked',
          include: ['test/vectors.test.ts'],
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
