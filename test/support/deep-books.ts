/** The books of a table, as tests and the soak look at them. */

export { problemsOf } from '../../bench/soak/books.ts';
export { listProblems } from '../../bench/soak/fragment-books.ts';
