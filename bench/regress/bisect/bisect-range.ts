/** The commits of a bisect, and how they are built: those that run the same code share one build. */

import type { Commit, Repository } from '../builds/git.ts';
import type { Measured } from '../projects/project.ts';

/** How commits are built and measured. */
export interface BisectSubject {
  /** Warns if this commit is checked out, and files differ from it. */
  uncommittedNote?(commit: string, repository: Repository): string | undefined;
  /** A text for each commit. Those with equal texts run the same code. @throws UsageError */
  codesOf(commits: readonly Commit[], repository: Repository): Promise<string[]>;
  /** Builds commits, each once. @throws UsageError */
  prepare(commits: readonly string[]): Promise<void>;
  /** A text for the code of a commit that is prepared. undefined: not to be told */
  compiledCodeOf?(commit: string): Promise<string | undefined>;
  /** Both commits are prepared. @throws UsageError, SampleError */
  open(base: string, head: string): Promise<Measured>;
  remove(): void;
}

export class Range {
  /** The good commit, and those whose code differs from that of the commit before. */
  readonly changes: readonly [Commit, ...Commit[]];
  builds = 0;
  buildMs = 0;
  readonly #subject: BisectSubject;
  readonly #codes: readonly string[];
  readonly #prepared = new Set<string>();

  /** @param codes of all commits */
  constructor(commits: readonly [Commit, ...Commit[]], codes: readonly string[], subject: BisectSubject) {
    const kept = commits.map((_, i) => i).filter((i) => i === 0 || codes[i] !== codes[i - 1]);
    this.changes = kept.map((i) => commits[i]!) as [Commit, ...Commit[]];
    this.#codes = kept.map((i) => codes[i]!);
    this.#subject = subject;
  }

  get last(): number {
    return this.changes.length - 1;
  }

  /** A commit that runs the code of this one. */
  #idOf(commit: number): string {
    return this.changes[this.#codes.indexOf(this.#codes[commit]!)]!.id;
  }

  isSameCode(a: number, b: number): boolean {
    return this.#codes[a] === this.#codes[b];
  }

  async prepare(...commits: number[]): Promise<void> {
    const ids = [...new Set(commits.map((each) => this.#idOf(each)))].filter((id) => !this.#prepared.has(id));
    const startMs = performance.now();
    await this.#subject.prepare(ids);
    this.buildMs += performance.now() - startMs;
    this.builds += ids.length;
    ids.forEach((id) => this.#prepared.add(id));
  }

  open(base: number, head: number): Promise<Measured> {
    return this.#subject.open(this.#idOf(base), this.#idOf(head));
  }

  async codeOf(commit: number): Promise<string | undefined> {
    return this.#subject.compiledCodeOf?.(this.#idOf(commit));
  }
}
