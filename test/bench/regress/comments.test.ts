/** `regress comment`: a server here plays GitHub and GitLab. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CT_BUCKET, type ChildResult } from '../../support/child.ts';
import { resultOf } from './made-up-results.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-comments-'));
const fine = join(folder, 'fine.json');
const slow = join(folder, 'slow.json');
const unclear = join(folder, 'unclear.json');

interface Comment {
  id: number;
  body: string;
}

let server: Server;
let origin = '';
let comments: Comment[] = [];
let requests: string[] = [];
/** Status of all answers, if it is not what the request calls for. */
let refusal: number | undefined;

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
  }
  return text;
}

/** Both forges list, create and update comments in the same way, at other addresses. */
function answer(method: string, url: URL, body: string): [status: number, content: unknown] {
  const one = /\/(?:comments|notes)\/(\d+)$/.exec(url.pathname);
  if (refusal !== undefined) {
    return [refusal, { message: 'Resource not accessible\nby integration' }];
  }
  if (method === 'GET') {
    const [page, size] = [Number(url.searchParams.get('page')), Number(url.searchParams.get('per_page'))];
    return [200, comments.slice((page - 1) * size, page * size)];
  }
  const { body: text } = JSON.parse(body) as Comment;
  if (method === 'POST') {
    comments.push({ id: 1000 + comments.length, body: text });
    return [201, comments.at(-1)];
  }
  const comment = comments.find(({ id }) => id === Number(one?.[1]));
  if (comment === undefined) {
    return [404, { message: 'Not Found' }];
  }
  comment.body = text;
  return [200, comment];
}

beforeAll(async () => {
  writeFileSync(fine, JSON.stringify(resultOf({ changes: { parse: 0 } })));
  writeFileSync(slow, JSON.stringify(resultOf({ changes: { parse: 0.3 } })));
  writeFileSync(unclear, JSON.stringify(resultOf({ pairs: 2, changes: { parse: 0 } })));
  writeFileSync(join(folder, 'event.json'), JSON.stringify({ pull_request: { number: 9 } }));
  server = createServer((request, response) => {
    void textOf(request).then((body) => {
      const url = new URL(request.url!, 'http://localhost');
      const token = request.headers.authorization ?? request.headers['private-token'];
      requests.push(`${request.method} ${url.pathname} ${String(token)}`);
      const [status, content] = answer(request.method!, url, body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  comments = [];
  requests = [];
  refusal = undefined;
});

function comment(args: readonly string[], env: Record<string, string>): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...CT_BUCKET, 'regress', 'comment', ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, ...env },
    });
    const texts = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
}

const githubEnv = () => ({
  GITHUB_API_URL: origin,
  GITHUB_REPOSITORY: 'owner/name',
  GITHUB_REF: 'refs/pull/7/merge',
  GITHUB_TOKEN: 'secret',
});
const gitlabEnv = () => ({
  CI_API_V4_URL: `${origin}/api/v4`,
  CI_PROJECT_ID: '42',
  CI_MERGE_REQUEST_IID: '7',
  GITLAB_TOKEN: 'secret',
});

/** The answer of a bisect, as its file has it. */
function bisectOf(title: string, more: object = {}): object {
  const found = { id: 'c'.repeat(40), title };
  return {
    format: 'ct-bucket bisect',
    good: { id: 'a'.repeat(40), title: 'good' },
    bad: { id: 'b'.repeat(40), title: 'bad' },
    commits: 32,
    changes: 20,
    builds: 7,
    buildSeconds: 30,
    outcome: 'found',
    figures: [],
    answer: { found, suspects: [found], parent: { id: 'd'.repeat(40), title: 'before' }, skipped: [], pairs: 16 },
    machine: { cpu: 'a processor', cores: 2, node: 'v24', loadAverage1m: 0.1 },
    seed: 1,
    tookSeconds: 60,
    ...more,
  };
}

describe('a comment with the answer of a bisect', () => {
  const file = join(folder, 'bisect.json');

  it('has a mark of its own, and leaves the comment of a verdict', async () => {
    writeFileSync(file, JSON.stringify(bisectOf('slow ```\n@everybody')));
    await comment([slow, '--github'], githubEnv());
    const { code, stdout } = await comment([file, '--github'], githubEnv());
    expect(stdout).toMatch(/^c{40} is the first slow commit: /);
    expect(code).toBe(0);
    expect(comments).toHaveLength(2);
    expect(comments[1]!.body).toMatch(/^<!-- ct-bucket regress: bisect -->\n## ct-bucket regress bisect: found\n/);
    /* The title stands between fences that it cannot end. */
    expect(comments[1]!.body).toMatch(/\n````text\n.*```\n@everybody"\n````\n/s);
  });

  it('ends with the exit code of the bisect', async () => {
    writeFileSync(file, JSON.stringify(bisectOf('x', { outcome: 'not slower', answer: undefined })));
    expect(await comment([file, '--github'], githubEnv())).toMatchObject({ code: 1 });
  });

  it.each([
    ['a member is missing', { builds: undefined }, /bisect\.json is not the answer of a bisect: builds/],
    ['it names no commit', { answer: undefined }, /is not the answer of a bisect: it names no commit/],
  ])('is refused in one line if %s', async (_, more, says) => {
    writeFileSync(file, JSON.stringify(bisectOf('x', more)));
    const { code, stderr } = await comment([file, '--github'], githubEnv());
    expect(code).toBe(2);
    expect(stderr).toMatch(/^ct-bucket: [^\n]+\n$/);
    expect(stderr).toMatch(says);
  });
});

describe.each([
  [
    'github',
    githubEnv,
    '/repos/owner/name/issues/7/comments',
    '/repos/owner/name/issues/comments/',
    'PATCH',
    'Bearer secret',
  ],
  [
    'gitlab',
    gitlabEnv,
    '/api/v4/projects/42/merge_requests/7/notes',
    '/api/v4/projects/42/merge_requests/7/notes/',
    'PUT',
    'secret',
  ],
] as const)('a comment on %s', (forge, env, list, one, update, token) => {
  it('is created, then updated in place', async () => {
    comments = [{ id: 1, body: 'looks good' }];
    const first = await comment([slow, `--${forge}`], env());
    expect(first).toMatchObject({ code: 1, stderr: '' });
    expect(first.stdout).toMatch(/^head against base: REGRESSED.*\ncomment created\n$/);
    expect(comments[1]!.body).toMatch(/^<!-- ct-bucket regress -->\n## ct-bucket regress: regressed/);
    const second = await comment([fine, `--${forge}`], env());
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.stdout).toMatch(/comment updated\n$/);
    expect(comments.map(({ body }) => body.split('\n')[1] ?? body)).toEqual([
      'looks good',
      '## ct-bucket regress: fine',
    ]);
    expect(requests).toEqual([
      `GET ${list} ${token}`,
      `POST ${list} ${token}`,
      `GET ${list} ${token}`,
      `${update} ${one}1001 ${token}`,
    ]);
  });

  it('is found behind a hundred others', async () => {
    comments = Array.from({ length: 130 }, (_, i) => ({
      id: i,
      body: i === 120 ? '<!-- ct-bucket regress -->' : 'text',
    }));
    expect((await comment([fine, `--${forge}`], env())).stdout).toMatch(/comment updated/);
    expect(comments[120]!.body).toMatch(/regress: fine/);
    expect(comments.length).toBe(130);
  });

  it('with a label of its own leaves others alone', async () => {
    comments = [{ id: 1, body: '<!-- ct-bucket regress -->\nother' }];
    expect((await comment([fine, `--${forge}`, '--label', 'arm64'], env())).stdout).toMatch(/comment created/);
    expect(comments[0]!.body).toMatch(/other$/);
    expect(comments[1]!.body).toMatch(/^<!-- ct-bucket regress: arm64 -->\n/);
  });

  it('that the server refuses changes no exit code, unless that is asked for', async () => {
    refusal = 403;
    const says =
      /^ct-bucket: the comment was not posted: GET http\S+: 403 Resource not accessible by integration: the token needs (pull-requests: write|the scope api, and the role Reporter)\n$/;
    const { code, stderr } = await comment([unclear, `--${forge}`], env());
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/secret/);
    expect(code).toBe(3);
    expect((await comment([unclear, `--${forge}`, '--must-post'], env())).code).toBe(2);
  });

  it('without a token, or without a server, changes no exit code', async () => {
    const without = Object.fromEntries(Object.entries(env()).filter(([name]) => !name.endsWith('_TOKEN')));
    const lost = await comment([fine, `--${forge}`], without);
    expect(lost.stderr).toMatch(/the comment was not posted: \w+_TOKEN.* is not set\n$/);
    expect(lost.code).toBe(0);
    const gone = { ...env(), GITHUB_API_URL: 'http://127.0.0.1:1', CI_API_V4_URL: 'http://127.0.0.1:1' };
    const refused = await comment([slow, `--${forge}`], gone);
    expect(refused.stderr).toMatch(/the comment was not posted: GET http:\/\/127\.0\.0\.1:1\/.*\n$/);
    expect(refused.code).toBe(1);
  });
});

describe('the pull request', () => {
  it('comes from the event if the ref does not name it', async () => {
    const env = { ...githubEnv(), GITHUB_REF: 'refs/heads/main', GITHUB_EVENT_PATH: join(folder, 'event.json') };
    await comment([fine, '--github'], env);
    expect(requests[0]).toMatch(/issues\/9\/comments/);
  });

  it('may be given', async () => {
    await comment([fine, '--github', '--request', '12'], githubEnv());
    expect(requests[0]).toMatch(/issues\/12\/comments/);
  });

  it('is missing outside of one', async () => {
    const { code, stderr } = await comment([fine, '--github'], { ...githubEnv(), GITHUB_REF: 'refs/heads/main' });
    expect(stderr).toMatch(/this job does not belong to a pull request: give --request\n$/);
    expect(code).toBe(0);
  });
});

it.each([
  ['no forge', [], /give --github or --gitlab/],
  ['both', ['--github', '--gitlab'], /cannot be used with option/],
  ['a label that would end the mark', ['--github', '--label', 'a-->b'], /It must be a word/],
])('refuses %s in one line', async (_what, args, says) => {
  const { code, stderr } = await comment([fine, ...args], githubEnv());
  expect(stderr).toMatch(says);
  expect(code).toBe(2);
  expect(requests).toEqual([]);
});
