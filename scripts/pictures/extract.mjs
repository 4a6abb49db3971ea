/** `node scripts/pictures/extract.mjs SECTION RESULTS.json...`: makes docs/data/SECTION.json from files of `ct-bucket bench ... --json`. */

import { register } from 'tsx/esm/api';

register();
const { runExtract } = await import('./extract-command.ts');
process.exitCode = runExtract(process.argv.slice(2));
