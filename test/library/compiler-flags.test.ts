/** A datapath raises the inlining limits of V8's compiler, unless tuneCompiler is false. */

import { expect, it } from 'vitest';
import { run } from '../support/child.ts';

/** The V8 flags that a program sets when it starts a datapath. */
async function flagsOf(options: string): Promise<string[]> {
  const code = `
    import { syncBuiltinESMExports } from 'node:module';
    import v8 from 'node:v8';
    v8.setFlagsFromString = (flag) => console.log(flag);
    syncBuiltinESMExports();
    const { Datapath } = await import('ct-bucket');
    const datapath = await Datapath.start(${options});
    await datapath.stop();`;
  const { code: exitCode, stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', code]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.split('\n').filter((line) => line !== '');
}

it.each(['{ maxConnections: 100 }', '{ maxConnections: 100, tuneCompiler: true }'])(
  'a datapath with %s sets all three flags',
  async (options) => {
    expect(await flagsOf(options)).toEqual([
      '--max-inlined-bytecode-size=1500',
      '--max-inlined-bytecode-size-cumulative=5000',
      '--max-inlined-bytecode-size-absolute=12000',
    ]);
  },
);

it('a datapath with tuneCompiler: false sets no flag', async () => {
  expect(await flagsOf('{ maxConnections: 100, tuneCompiler: false }')).toEqual([]);
});
