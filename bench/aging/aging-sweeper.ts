/** The sweeper of an aging sample. The thread sends its kernel id, then runs the datapath's own sweep loop. */

import { parentPort, workerData } from 'node:worker_threads';
import { runSweeper, type SweeperTask } from '../../src/workers/threads/sweeper.ts';
import { ownThreadId } from '../samples/thread-time.ts';

parentPort!.postMessage(ownThreadId());
runSweeper(workerData as SweeperTask);
