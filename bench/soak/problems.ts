/** Broken invariants of a table, a line each. */

/** Most lines for one table. */
const MOST_PROBLEMS = 50;

export class Problems {
  readonly all: string[] = [];

  expect(what: string, got: unknown, wanted: unknown): void {
    if (got !== wanted && this.all.length < MOST_PROBLEMS) {
      this.all.push(`${what}: ${String(got)}, not ${String(wanted)}`);
    }
  }
}
