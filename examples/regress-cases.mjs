// Functions that regress measures in any repository, in slices, with the base and the head in one process:
//   npx ct-bucket regress --base main --head . --module examples/regress-cases.mjs
// Exit status: 0 no slowdown, 1 slowdown, 2 error, 3 inconclusive. Import your own code here, by a relative path.

const text = JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: `flow ${id}` })));
const flows = JSON.parse(text);

export const cases = {
  parse: () => JSON.parse(text),
  print: () => JSON.stringify(flows),
  sum: () => flows.reduce((sum, { id }) => sum + id, 0),
};
