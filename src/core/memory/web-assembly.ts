/** What the tracker uses of WebAssembly. Its types belong to the types of browsers, which this package does not need otherwise. */

/** A memory that threads share: postMessage and workerData pass it on. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WebAssemblyApi {
  /** @throws RangeError if the system refuses the memory, or the address space around it */
  readonly Memory: new (pages: {
    initial: number;
    maximum: number;
    shared: true;
  }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

/** undefined: the process has none (`node --jitless`). */
export const webAssembly: WebAssemblyApi | undefined = (globalThis as unknown as { WebAssembly?: WebAssemblyApi })
  .WebAssembly;
