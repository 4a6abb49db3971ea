/** The entry of the sweeper's thread (sweeper.ts). */

import { workerData } from 'node:worker_threads';
import { runSweeper, type SweeperTask } from './sweeper.ts';

runSweeper(workerData as SweeperTask);
