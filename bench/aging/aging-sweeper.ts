/** The sweeper of an aging sample: the datapath's own loop, in a thread that says its number first. */

import { parentPort, workerData } from 'node:worker_threads';
import { runSweeper, type SweeperTask } from '../../src/workers/threads/sweeper.ts';
import { ownThreadId } from '../samples/thread-time.ts';

parentPort!.postMessage(ownThreadId());
runSweeper(workerData as SweeperTask);
