/** Builds for `regress`: of commits and folders, their cache, and the errors of git. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findBuild, noteUncommitted } from '../../../bench/regress/builds/builds.ts';
import { REPOSITORY } from '../../support/child.ts';

/** A fake build of this program. It copies the sources, and logs its run in a file outside the repository. */
const BUILD_SCRIPT = `
import { appendFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
appendFileSync(process.env.BUILDS_LOG, 'built\\n');
mkdirSync('dist/bench', { recursive: true });
cpSync('src', 'dist/src', { recursive: true });
writeFileSync('dist/.complete', '');
`;

let folder: string;
let repository: string;
let cache: string;
let said: string[];
const say = (line: string): void => {
  said.push(line);
};

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function git(...args: string[]): string {
  return execFileSync('git', ['-C', repository, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

function commit(text: string): string {
  write(join(repository, 'src', 'a.txt'), text);
  git('add', '.');
  git('commit', '-qm', text);
  return git('rev-parse', 'HEAD');
}

function places(): { repository: string; cache: string } {
  return { repository, cache };
}

function builds(): number {
  const log = join(folder, 'builds');
  return existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0;
}

function textIn(dist: string): string {
  return readFileSync(join(dist, 'src', 'a.txt'), 'utf8');
}

/** Sets the time of every source file to `hours` before now. */
function setAge(path: string, hours: number): void {
  const time = new Date(Date.now() - hours * 3_600_000);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.name !== '.git' && entry.name !== 'dist') {
      if (entry.isDirectory()) {
        setAge(join(path, entry.name), hours);
      }
      utimesSync(join(path, entry.name), time, time);
    }
  }
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-builds-'));
  repository = join(folder, 'repository');
  cache = join(folder, 'cache');
  said = [];
  vi.stubEnv('BUILDS_LOG', join(folder, 'builds'));
  write(join(repository, 'scripts', 'build.mjs'), BUILD_SCRIPT);
  write(join(repository, 'bench', 'sample.txt'), '');
  write(join(repository, 'package.json'), '{ "scripts": { "build": "node scripts/build.mjs" } }');
  write(
    join(repository, 'package-lock.json'),
    '{ "packages": { "": {}, "node_modules/needed": {}, "node_modules/tool": { "dev": true } } }',
  );
  write(join(repository, 'node_modules', 'needed', 'package.json'), '{}');
  write(join(repository, 'node_modules', 'tool', 'package.json'), '{}');
  write(join(repository, '.gitignore'), 'node_modules/\ndist/\n');
  git('init', '-q', '.');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('the build of a commit', () => {
  it('is made once from its files, cached, and leaves the repository unchanged', async () => {
    const first = commit('one');
    commit('two');
    const build = await findBuild('HEAD~1', places(), say);
    expect(build).toMatchObject({ label: 'HEAD~1', commit: first });
    expect(textIn(build.dist)).toBe('one');
    expect((await findBuild(first, places(), say)).dist).toBe(build.dist);
    expect([builds(), said]).toEqual([1, [`building HEAD~1 (${first.slice(0, 10)})`]]);
    expect(git('worktree', 'list').split('\n')).toHaveLength(1);
    expect(git('status', '--porcelain')).toBe('');
    expect(readdirSync(join(cache, 'builds'))).toEqual([first]);
  });

  it('has its own copy of the packages that it needs, and works without the clone', async () => {
    commit('one');
    const { dist } = await findBuild('HEAD', places());
    expect(readdirSync(join(dirname(dist), 'node_modules'))).toEqual(['needed']);
    rmSync(join(repository, 'node_modules'), { recursive: true });
    await findBuild('HEAD', places());
    expect(builds()).toBe(1);
  });

  it('is made again if the cached one is incomplete, and is not cached if it fails', async () => {
    commit('one');
    const { dist } = await findBuild('HEAD', places());
    rmSync(join(dist, '.complete'));
    expect(textIn((await findBuild('HEAD', places())).dist)).toBe('one');
    expect(builds()).toBe(2);
    write(join(repository, 'scripts', 'build.mjs'), 'console.error("line 7: wrong");process.exit(1)');
    commit('two');
    await expect(findBuild('HEAD', places())).rejects.toThrow(
      /^commit [0-9a-f]{10}: npm run build failed: line 7: wrong$/,
    );
    expect(readdirSync(join(cache, 'builds'))).toHaveLength(1);
  });

  it('is made by one of two processes, while the other one waits and then uses it', async () => {
    /* Both processes run this repository's findBuild on the small repository. */
    write(join(repository, 'scripts', 'build.mjs'), `${BUILD_SCRIPT}\nawait new Promise((d) => setTimeout(d, 500));`);
    const id = commit('one');
    const module = join(folder, 'find.mts');
    const builds_ = join(REPOSITORY, 'bench', 'regress', 'builds', 'builds.ts');
    write(
      module,
      `import { findBuild } from ${JSON.stringify(builds_)};
       const build = await findBuild('HEAD', ${JSON.stringify(places())}, (line) => console.log(line));
       console.log(JSON.stringify(build));`,
    );
    const outputs = await Promise.all(
      [1, 2].map(async () => {
        const child = spawn(process.execPath, ['--import', 'tsx', module], {
          cwd: REPOSITORY,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let output = '';
        child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
        const [code] = (await once(child, 'close')) as [number];
        return { code, last: output.trim().split('\n').at(-1)! };
      }),
    );
    expect(outputs.map(({ code }) => code)).toEqual([0, 0]);
    expect(new Set(outputs.map(({ last }) => (JSON.parse(last) as { dist: string }).dist)).size).toBe(1);
    expect(builds()).toBe(1);
    expect(readdirSync(join(cache, 'builds'))).toEqual([id]);
  });
});

describe('a folder given to regress', () => {
  it('is measured without the cache if its build is newer than its sources', async () => {
    commit('one');
    execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: repository });
    setAge(repository, 1);
    expect((await findBuild(repository, places(), say)).dist).toBe(join(repository, 'dist'));
    expect((await findBuild(join(repository, 'dist'), places(), say)).dist).toBe(join(repository, 'dist'));
    expect([builds(), said, existsSync(cache)]).toEqual([1, [], false]);
  });

  it.each(['a source is newer', 'a source is gone', 'there is no build'])(
    'is built once in the cache if %s, and its own build stays unchanged',
    async (what) => {
      commit('one');
      write(join(repository, 'src', 'b.txt'), '');
      execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: repository });
      setAge(repository, 1);
      const old = textIn(join(repository, 'dist'));
      utimesSync(
        join(repository, 'dist', '.complete'),
        new Date(Date.now() - 1_800_000),
        new Date(Date.now() - 1_800_000),
      );
      if (what === 'a source is newer') {
        write(join(repository, 'src', 'a.txt'), 'edited');
      } else if (what === 'a source is gone') {
        rmSync(join(repository, 'src', 'b.txt'));
      } else {
        rmSync(join(repository, 'dist'), { recursive: true });
      }
      const { dist } = await findBuild(repository, places(), say);
      expect(dist.startsWith(join(cache, 'builds', 'tree-'))).toBe(true);
      expect(textIn(dist)).toBe(what === 'a source is newer' ? 'edited' : 'one');
      expect(existsSync(join(dist, 'src', 'b.txt'))).toBe(what !== 'a source is gone');
      expect(said.join('\n')).toMatch(
        what === 'there is no build' ? /it holds no build/ : /its sources are newer than its dist/,
      );
      expect((await findBuild(repository, places(), say)).dist).toBe(dist);
      expect(builds()).toBe(2);
      if (what !== 'there is no build') {
        expect(textIn(join(repository, 'dist'))).toBe(old);
      }
      write(join(repository, 'src', 'a.txt'), 'edited again');
      expect(textIn((await findBuild(repository, places(), say)).dist)).toBe('edited again');
    },
  );

  it('is refused if it has neither a build nor sources', async () => {
    commit('one');
    await expect(findBuild(join(repository, 'src'), places())).rejects.toThrow(
      /src holds no build: run npm run build there$/,
    );
    await expect(findBuild('', places())).rejects.toThrow(/empty/);
  });
});

describe('uncommitted changes', () => {
  function notes(...labels: string[]): string[] {
    const lines: string[] = [];
    noteUncommitted(
      labels.map((label) => ({ label, dist: '', commit: git('rev-parse', label) })),
      places(),
      (line) => lines.push(line),
    );
    return lines;
  }

  it('are reported once, with their files, if the checked-out commit is measured', () => {
    commit('one');
    commit('two');
    expect(notes('HEAD', 'HEAD')).toEqual([]);
    write(join(repository, 'src', 'a.txt'), 'edited');
    expect(notes('HEAD', 'HEAD')).toEqual([
      expect.stringMatching(/^uncommitted changes are not measured \(src\/a\.txt\): commit them, or give --head /),
    ]);
    expect(notes('HEAD~1', 'HEAD')).toHaveLength(1);
    expect(notes('HEAD~1')).toEqual([]);
  });

  it('are reported if they are staged, new or removed, but not for files outside the build', () => {
    commit('one');
    write(join(repository, 'README.md'), 'edited');
    expect(notes('HEAD')).toEqual([]);
    write(join(repository, 'bench', 'new file.txt'), '');
    write(join(repository, 'package.json'), '{}');
    git('add', 'package.json');
    rmSync(join(repository, 'src', 'a.txt'));
    expect(notes('HEAD')[0]).toMatch(/\(package\.json, src\/a\.txt and 1 more\)/);
  });
});

describe('the error of git', () => {
  it('is shown for an unknown commit', async () => {
    commit('one');
    await expect(findBuild('nosuch', places())).rejects.toThrow(
      /^nosuch is neither a folder nor a commit of .*\(git: fatal: bad revision 'nosuch'\)$/,
    );
    await expect(findBuild('HEAD..HEAD', places())).rejects.toThrow(/neither a folder nor a commit/);
    await expect(findBuild('--all', places())).rejects.toThrow(/^--all is neither a folder nor a commit/);
  });

  it('is shown for a shallow clone, with a way out', async () => {
    commit('one');
    commit('two');
    const shallow = join(folder, 'shallow');
    execFileSync('git', ['clone', '-q', '--depth', '1', `file://${repository}`, shallow]);
    await expect(findBuild('HEAD~1', { repository: shallow, cache })).rejects.toThrow(
      /HEAD~1 is neither .*; this is a shallow clone: .*fetch --unshallow.*fetch-depth: 0/,
    );
  });

  it('is shown outside a repository, and for a repository of another owner', async () => {
    const none = join(folder, 'none');
    mkdirSync(none);
    await expect(findBuild('HEAD', { repository: none, cache })).rejects.toThrow(/not a git repository/);
    commit('one');
    vi.stubEnv('GIT_TEST_ASSUME_DIFFERENT_OWNER', '1');
    /* The settings of the user could allow every folder: git must not read them. */
    vi.stubEnv('GIT_CONFIG_GLOBAL', '/dev/null');
    vi.stubEnv('GIT_CONFIG_SYSTEM', '/dev/null');
    await expect(findBuild('HEAD', places())).rejects.toThrow(/^[^\n]*dubious ownership[^\n]*safe\.directory[^\n]*$/);
  });

  it('says that git is missing if it is not found', async () => {
    commit('one');
    vi.stubEnv('PATH', folder);
    await expect(findBuild('HEAD', places())).rejects.toThrow(/git is not found: install it, or add it to PATH/);
  });

  it('does not come from the environment of a git hook that runs the command', async () => {
    const id = commit('one');
    vi.stubEnv('GIT_DIR', join(folder, 'nowhere'));
    vi.stubEnv('GIT_INDEX_FILE', join(folder, 'index'));
    expect((await findBuild('HEAD', places())).commit).toBe(id);
  });
});

describe('the build of this repository', () => {
  it('is newer than its sources while the tests run', () => {
    const builtMs = statSync(join(REPOSITORY, 'dist', '.complete')).mtimeMs;
    const newer = ['src', 'bench', 'scripts']
      .flatMap((name) =>
        readdirSync(join(REPOSITORY, name), { recursive: true, encoding: 'utf8' }).map((file) => join(name, file)),
      )
      .filter((file) => statSync(join(REPOSITORY, file)).mtimeMs > builtMs);
    expect(newer).toEqual([]);
  });
});
