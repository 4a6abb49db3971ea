/** Where the modules of this folder are, as sources or compiled (test/support/compiled.ts). */

import { fileURLToPath } from 'node:url';

const isSource = import.meta.url.endsWith('.ts');

/** URL of a module of this folder. @param name without extension */
export function threadModule(name: string): string {
  return new URL(`./${name}${isSource ? '.ts' : '.js'}`, import.meta.url).href;
}

/** Node's arguments that run a module of this folder in a process. @param name without extension */
export function threadProgram(name: string): string[] {
  return [...(isSource ? ['--import', 'tsx'] : []), fileURLToPath(threadModule(name))];
}
