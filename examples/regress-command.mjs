// A program that prints a figure for each case, as a line of JSON. regress runs it in both states, in turn:
//   npx ct-bucket regress --base main --command 'node examples/regress-command.mjs {case}' --cases parse,print
// Two programs: npx ct-bucket regress --base-command './old' --head-command './new'
// Exit status: 0 no slowdown, 1 slowdown, 2 error, 3 inconclusive.

const text = JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: `flow ${id}` })));
const cases = { parse: () => JSON.parse(text), print: () => JSON.stringify([text]) };

const work = cases[process.argv[2]];
for (let i = 0; i < 5_000; i++) work();
const start = process.cpuUsage();
for (let i = 0; i < 5_000; i++) work();
const { user, system } = process.cpuUsage(start);
console.log((user + system) / 5_000);
