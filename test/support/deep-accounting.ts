/** The accounting of a table, as tests and the soak look at them. */

export { problemsOf } from '../../bench/soak/accounting.ts';
export { listProblems } from '../../bench/soak/fragment-accounting.ts';
