/* A worker thread that runs TypeScript loads this with --import (entry.ts). Not part of the compiled build. */
import { register } from 'tsx/esm/api';

register();
