#!/usr/bin/env node
/** The command `ct-bucket`. */

if (process.env['CT_DEBUG'] === '1') {
  /* For stacks with lines of the sources. Node reads a source map when it loads the module, so this must come before all imports. */
  process.setSourceMapsEnabled(true);
}
const { start } = await import('./start.ts');
await start(process.argv.slice(2));
