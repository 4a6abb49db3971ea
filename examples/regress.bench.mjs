// Benchmarks of vitest that regress measures in any repository, by running `vitest bench` in both states:
//   npx ct-bucket regress --base main --head . --vitest regress.bench
// Exit status: 0 no slowdown, 1 slowdown, 2 error, 3 inconclusive.
import { bench, describe } from 'vitest';

const text = JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: `flow ${id}` })));
const flows = JSON.parse(text);

describe('flows', () => {
  bench('parse', () => void JSON.parse(text), { time: 200 });
  bench('print', () => void JSON.stringify(flows), { time: 200 });
});
