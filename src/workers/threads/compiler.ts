/** What V8's optimising compiler is told before the packet path gets warm. */

import { setFlagsFromString } from 'node:v8';

/**
 * By default V8 stops inlining after 920 bytes of bytecode. The packet path is written as small functions, each of
 * which has one or two callers, and comes to about 4000: with room for all of them a lookup takes 60 ns where it took
 * 78, an insertion 117 where it took 142 (table in cache, one thread, Node 20). More than that makes functions so large
 * that registers run short, and both are slower again.
 *
 * Functions of a few bytes (`peek`, `load`) are inlined whatever has been inlined before, up to an absolute size of 4600: near it,
 * which of them are left out, and whether such a call stands in a loop, differed from run to run. 12000 has room for them.
 */
const FLAGS = [
  '--max-inlined-bytecode-size=1500',
  '--max-inlined-bytecode-size-cumulative=5000',
  '--max-inlined-bytecode-size-absolute=12000',
];

/**
 * Sets the compiler's limits for inlining. They hold for the whole process and for all that is compiled afterwards;
 * `Datapath.start` does this itself. Whoever runs `Conntrack.execute` on threads of their own calls it once, early.
 */
export function tuneCompiler(): void {
  for (const flag of FLAGS) {
    setFlagsFromString(flag);
  }
}
