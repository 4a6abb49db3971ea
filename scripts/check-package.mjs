/**
 * `npm run check-package`, after a build: the package as its users get it. Packs it, looks at what is in it, installs it into an empty
 * project, and there runs commands, the recorded vectors, a stress test, and a TypeScript program under both ways to resolve modules.
 * With --brief it leaves out what does not depend on the release of Node: types, the page of a report, `regress`.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The oldest compiler that reads our types, as README says. */
const LEAST_TYPESCRIPT = '5.5';
const ALLOWED =
  /^(package\.json|LICENSE|[A-Z]+\.md|[\w.-]+\.schema\.json|docs\/[\w-]+\.md|docs\/pictures\/[\w-]+\.svg|examples\/(library\/.+|regress[\w.-]*\.mjs|regress-git\w+\.yml)|dist\/.+\.(js|js\.map|d\.ts))$/;

const PROGRAM = `import { clearPacket, Conntrack, type ConnEntry, CtAction, Datapath, type DatapathOptions, UsageError } from 'ct-bucket';

const conntrack: Conntrack = new Conntrack({ maxConnections: 1000 });
const action: CtAction = new CtAction({ commit: true });
export const entries: ConnEntry[] = [];
const options: DatapathOptions = { threads: 1, action: { commit: true } };
export const start = (): Promise<Datapath> => Datapath.start(options);
export const clear: (words: Int32Array, slot: number) => void = clearPacket;
try {
  new Conntrack({ maxConnections: -1 });
} catch (error) {
  if (!(error instanceof UsageError) || conntrack.connCount > 0 || action === undefined) {
    throw error;
  }
}
`;

function fail(what) {
  throw new Error(what);
}

/** @returns exit code and output */
function run(cwd, program, args, env = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { code: status, stdout, stderr };
}

/** @returns standard output. @throws Error unless the exit code is 0 */
function expectRun(cwd, program, args, env) {
  const { code, stdout, stderr } = run(cwd, program, args, env);
  return code === 0 ? stdout : fail(`${program} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
}

function npm(cwd, ...args) {
  return expectRun(cwd, 'npm', [...args, '--no-audit', '--no-fund', '--loglevel=error']);
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)));
}

function checkFiles(folder) {
  const files = filesOf(folder);
  const odd = files.filter((name) => !ALLOWED.test(name));
  if (odd.length > 0) {
    fail(`the package has files that nobody needs: ${odd.join(', ')}`);
  }
  for (const name of files.filter((each) => each.endsWith('.md'))) {
    const text = readFileSync(join(folder, name), 'utf8').replaceAll(/^( {4}|```[^]*?^```).*$/gm, '');
    for (const [, target] of text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)) {
      const path = join(dirname(name), target);
      /* Pages about the sources link to them. README does not. */
      const isInRepository =
        name !== 'README.md' && /^(src|bench|test|scripts)\//.test(path) && existsSync(join(root, path));
      if (!isInRepository && !existsSync(join(folder, path))) {
        fail(`${name} links to ${target}, which is not in the package`);
      }
    }
  }
  for (const name of files.filter((each) => each.endsWith('.js'))) {
    const [, map] = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(join(folder, name), 'utf8')) ?? [];
    if (map !== undefined && !existsSync(join(folder, dirname(name), map))) {
      fail(`${name} names the source map ${map}, which is not in the package`);
    }
  }
  return files.length;
}

function checkStacks(project) {
  const { code, stderr } = run(project, 'npx', ['ct-bucket', 'replay', 'nowhere.pcap'], { CT_DEBUG: '1' });
  if (code !== 2 || !/\/src\/cli\/.*\.ts:\d+:\d+\)/.test(stderr)) {
    fail(`with CT_DEBUG=1 a stack does not name the sources: ${stderr}`);
  }
}

function checkRegress(project) {
  const { code, stderr } = run(project, 'npx', ['ct-bucket', 'regress', '--base', 'HEAD~1']);
  if (code !== 2 || !/^ct-bucket: [^\n]*--module[^\n]*clone[^\n]*\n$/.test(stderr)) {
    fail(`regress outside of the repository does not say in a line what it needs: ${code} ${stderr}`);
  }
  /* The functions of another project are measured anywhere. */
  const example = readFileSync(join(project, 'node_modules', 'ct-bucket', 'examples', 'regress-cases.mjs'), 'utf8');
  mkdirSync(join(project, 'slow'));
  writeFileSync(join(project, 'cases.mjs'), example);
  const slow = example.replace('sum: () =>', 'sum: () => Array.from({ length: 20 }, () => flows.map(String)) &&');
  writeFileSync(join(project, 'slow', 'cases.mjs'), slow);
  const args = ['--base', '.', '--head', 'slow', '--module', 'cases.mjs', '--cases', 'sum'];
  const { code: verdict, stdout } = run(project, 'npx', ['ct-bucket', 'regress', ...args]);
  if (verdict !== 1 || !stdout.includes('REGRESSED')) {
    fail(`regress does not see that a function of another project is slower: ${verdict} ${stdout}`);
  }
}

/** Which commit of another project made it slow, and a page of its history. */
function checkBisect(project) {
  const repository = join(project, 'repository');
  mkdirSync(repository);
  const git = (...args) =>
    expectRun(repository, 'git', [
      '-c',
      'user.name=a',
      '-c',
      'user.email=a@b.c',
      '-c',
      'commit.gpgsign=false',
      ...args,
    ]);
  git('init', '--quiet');
  for (const [i, figure] of [10, 10, 10, 30, 30].entries()) {
    writeFileSync(join(repository, 'figure.txt'), `${figure} ${i}`);
    git('add', '.');
    git('commit', '--quiet', '-m', `commit ${i}`);
  }
  const command = ['--command', "cut -d' ' -f1 figure.txt"];
  const found = expectRun(repository, 'npx', ['ct-bucket', 'regress', 'bisect', '--good', 'HEAD~4', ...command]);
  if (!found.includes('is the first slow commit: "commit 3"')) {
    fail(`regress bisect does not find the slow commit of another project: ${found}`);
  }
  const history = ['--history', 'history.jsonl'];
  expectRun(repository, 'npx', ['ct-bucket', 'regress', '--base', 'HEAD~1', ...command, ...history]);
  expectRun(repository, 'npx', ['ct-bucket', 'regress', 'trend', 'history.jsonl', '--html', 'trend.html']);
  if (!readFileSync(join(repository, 'trend.html'), 'utf8').includes('new uPlot(')) {
    fail('the page of regress trend has no plots');
  }
}

/** @param compilers paths of tsc. The project has no types of Node. */
function checkTypes(project, compilers) {
  const config = (module, moduleResolution) => ({
    compilerOptions: {
      module,
      moduleResolution,
      target: 'es2022',
      lib: ['es2023'],
      types: [],
      strict: true,
      skipLibCheck: false,
    },
    files: ['program.ts'],
  });
  writeFileSync(join(project, 'program.ts'), PROGRAM);
  for (const tsc of compilers) {
    for (const { compilerOptions, files } of [config('nodenext', 'nodenext'), config('esnext', 'bundler')]) {
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
      expectRun(project, process.execPath, [tsc, '-p', '.']);
      expectRun(project, process.execPath, ['program.js']);
    }
  }
}

/** The page of a report carries the library that draws its plots, although the package does not install that. */
function checkPage(page) {
  for (const text of ['Which is fastest?', 'github.com/leeoniya/uPlot', 'The MIT License', 'new uPlot(']) {
    if (!page.includes(text)) {
      fail(`the page of bench --html has no ${text}`);
    }
  }
}

function vectors() {
  const folder = join(root, 'test', 'fixtures', 'vectors');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(folder, name));
}

/** What is the same on every release of Node. */
function checkOnceForAll(project) {
  const newest = createRequire(import.meta.url).resolve('typescript/package.json');
  checkTypes(
    project,
    [join(project, 'node_modules', 'typescript'), dirname(newest)].map((folder) => join(folder, 'bin', 'tsc')),
  );
  checkStacks(project);
  checkRegress(project);
  checkBisect(project);
  expectRun(project, 'npx', [
    'ct-bucket',
    'bench',
    'insert',
    '--connections',
    '2000',
    '--runs',
    '1',
    '--threads',
    '1,2',
    '--no-predict',
    '--no-memory',
    '--html',
    'page.html',
  ]);
  checkPage(readFileSync(join(project, 'page.html'), 'utf8'));
}

function check(project, tarball, version, isBrief) {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  npm(project, 'install', tarball, ...(isBrief ? [] : [`typescript@${LEAST_TYPESCRIPT}`]));
  const installed = join(project, 'node_modules', 'ct-bucket');
  const files = checkFiles(installed);
  const said = expectRun(project, 'npx', ['ct-bucket', '--version']).trim();
  if (said !== version) {
    fail(`npx ct-bucket --version says ${said}, not ${version}`);
  }
  if (!isBrief) {
    checkOnceForAll(project);
  }
  const verified = expectRun(project, 'npx', ['ct-bucket', 'verify', ...vectors()])
    .trim()
    .split('\n')
    .at(-1);
  expectRun(project, 'npx', ['ct-bucket', 'verify', ...vectors().slice(0, 5)], { CT_CHECKED: '1' });
  expectRun(project, 'npx', ['ct-bucket', 'soak', '--minutes', '0.05', '--interval', '2', '--connections', '2000']);
  console.log(`the package has ${files} files, and works installed; vectors: ${verified}`);
}

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
if (!existsSync(join(root, 'dist', '.complete'))) {
  fail('there is no build: run npm run build');
}
const project = mkdtempSync(join(tmpdir(), 'ct-bucket-package-'));
process.once('exit', () => rmSync(project, { recursive: true, force: true }));
/* The build is there: `prepack` would build again. */
execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', project], { cwd: root });
check(project, join(project, `ct-bucket-${version}.tgz`), version, process.argv.includes('--brief'));
