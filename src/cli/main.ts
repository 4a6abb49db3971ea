#!/usr/bin/env node
/** The command `ct-bucket`. */

if (process.env['CT_DEBUG'] === '1') {
  /* Stacks name lines of the sources. Node reads a module's map when it loads the module: so this comes before all others. */
  process.setSourceMapsEnabled(true);
}
const { start } = await import('./start.ts');
await start(process.argv.slice(2));
