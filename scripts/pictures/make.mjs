/** `node scripts/pictures/make.mjs`: rewrites docs/pictures and the sections of docs/findings.md that show them. */

import { register } from 'tsx/esm/api';

register();
const { writeAll } = await import('./make.ts');
process.exitCode = writeAll();
