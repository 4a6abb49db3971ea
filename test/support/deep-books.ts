/** The books of a table, as tests and the soak look at them. */

export { listProblems, problemsOf } from '../../bench/soak/books.ts';
