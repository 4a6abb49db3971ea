import type { Found } from './lower.mjs';

export class SubsetError extends Error {}

export class Sources {
  constructor(options: { root: string; exportsOf: (path: string) => Record<string, unknown> });
  module(path: string): unknown;
  resolve(module: unknown, name: string): Found;
}
