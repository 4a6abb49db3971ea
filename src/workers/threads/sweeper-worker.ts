/** The entry of the sweeper's thread (sweeper.ts). */

import { workerData } from 'node:worker_threads';
import { type Parcel, unpacked } from './parcel.ts';
import { runSweeper, type SweeperTask } from './sweeper.ts';

runSweeper(unpacked(workerData as Parcel<SweeperTask>));
