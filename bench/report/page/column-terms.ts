/** What the columns of the tables mean, in plain words. */

const TERMS: Readonly<Record<string, string>> = {
  threads: 'Threads that track packets at the same time (PMDs).',
  'engine, threads': 'The table implementation, and the threads that used it at the same time.',
  engine: 'The table implementation.',
  median: 'The middle one of the times of all runs. A run is the whole workload on all threads.',
  range: 'The shortest and the longest run.',
  'a packet':
    'The median time, divided by the packets of all threads. In a flush: by the connections that it removed, or by its calls.',
  'connections/s': 'Connections that all threads created in a second. They removed as many.',
  'speed-up': 'The rate, divided by the rate of one thread. With N threads, N would be ideal.',
  efficiency: 'The speed-up, divided by the number of threads. 100 % would be ideal.',
  'speed-up, a table each':
    'The speed-up if each thread has a table of its own. Nothing is shared then, so this is the bound of the machine itself.',
  'slowest/fastest thread': 'The rate of the slowest thread, divided by that of the fastest. 1 is even.',
  'batch p50 / p99 / p99.9':
    'The time of a batch of packets in one run: half of all batches took at most the first, 99 % the second, 99.9 % the third.',
  'not prefaulted':
    'The time of one run whose memory the kernel commits on first use. In all other runs it is committed before the start.',
  'bytes/conn': 'Memory of the table, divided by its connections. The index is included.',
  buckets: 'Buckets of the table. Each has a lock of its own.',
  connections: 'Connections in the table.',
  'lag p50': 'Half of the expired connections were removed at most this long after they expired.',
  p99: '99 % of the expired connections were removed at most this long after they expired.',
  max: 'The last expired connection was removed this long after it expired.',
  'sweeper CPU': 'CPU time of the sweeper, as a share of one core.',
  'per visited': 'CPU time of the sweeper, divided by the connections that it looked at.',
  'per removed': 'CPU time of the sweeper, divided by the connections that it removed.',
  'batch p99.9 / without sweeper':
    'The batch time that 99.9 % of all batches kept, divided by the same without a sweeper. 1 means: the sweeper disturbs nobody.',
  'sigma (contention)': 'The share of the work that threads do one at a time.',
  'kappa (coherence)': 'The cost that each thread adds to each other thread, as a share of the work.',
  '95 % interval': 'The figure before it lies in this interval, as far as the runs tell.',
  'fitted to': 'The measured points that the law goes by.',
  profile: 'The load: docs/measuring.md has a table of them.',
  flows: 'Flows in the table, of all threads together.',
  Mpps: 'Million packets a second, of all threads together. The median of all runs.',
  'range of Mpps': 'The lowest and the highest of all runs.',
  'new conn./s': 'Connections that begin in a second at that rate. As many end.',
  'at 10 %': 'Time from the due time of a packet to its verdict, at this share of the highest rate.',
  'at 50 %': 'The same at half of that rate.',
  'at 90 %': 'The same near that rate.',
  lost: 'The share of the packets that were dropped, in the best trial of each run.',
  latency: 'Time from the due time of a packet to its verdict.',
  measured: 'Packets per second of all threads, measured.',
  simulated: 'Packets per second of all threads, as the simulation has it.',
  'error of the simulation': 'The simulated rate against the measured one.',
};

/** Columns named after an engine or a number of threads explain themselves. */
export function explainedColumns(head: readonly string[]): [name: string, text: string][] {
  return [...new Set(head)].flatMap((name): [string, string][] => {
    const text = TERMS[name];
    return text === undefined ? [] : [[name, text]];
  });
}
