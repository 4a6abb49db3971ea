/* Started with --import inside a worker thread that runs TypeScript source (entry.ts). Not part of the compiled build. */
import { register } from 'tsx/esm/api';

register();
