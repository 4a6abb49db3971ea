/** The checks of a table's accounting that the tests share with the soak. */

export { problemsOf } from '../../bench/soak/accounting.ts';
export { listProblems } from '../../bench/soak/fragment-accounting.ts';
