/** The sweeper's thread: see sweeper.ts. */

import { workerData } from 'node:worker_threads';
import { runSweeper, type SweeperTask } from './sweeper.ts';

runSweeper(workerData as SweeperTask);
