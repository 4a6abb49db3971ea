/** A function or class in the sources. */
export interface Found {
  module: unknown;
  node: unknown;
  name: string;
}

export interface LoweringOptions {
  outside: ReadonlySet<string>;
  known: Readonly<Record<string, unknown>>;
  perCall: readonly string[];
  classes: Readonly<Record<string, { module: unknown; name: string }>>;
  isWholeMemory: (path: string) => boolean;
}

export type RootArgument = { kind: 'runtime' } | { kind: 'object'; path: string; type: Found };

export class Lowering {
  constructor(sources: unknown, options: LoweringOptions);
  addRoot(declaration: Found, args: readonly RootArgument[], exportName: string): void;
  importMemory(pages: { initialPages: number; maximumPages: number }): void;
  emit(): Uint8Array<ArrayBuffer>;
  readonly needs: {
    functions: { id: string; name: string; texts: (string | undefined)[] }[];
    globals: { id: string; path: string; kind: string }[];
  };
}
