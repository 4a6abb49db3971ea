// Tasks of tinybench that regress measures in any repository. The module exports its Bench; regress runs it:
//   npx ct-bucket regress --base main --head . --tinybench examples/regress-tinybench.mjs
// Exit status: 0 no slowdown, 1 slowdown, 2 error, 3 inconclusive.
import { Bench } from 'tinybench';

const text = JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: `flow ${id}` })));
const flows = JSON.parse(text);

const bench = new Bench({ time: 200 });
bench.add('parse', () => JSON.parse(text));
bench.add('print', () => JSON.stringify(flows));

export default bench;
