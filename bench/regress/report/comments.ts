/** A comment on a pull request of GitHub, or a merge request of GitLab, that is updated in place: it begins with a mark. */

import { readFileSync } from 'node:fs';
import { markerOf } from './annotations.ts';

/** The comment could not be posted. The message is one line, without the token. */
export class CommentError extends Error {}

export type Forge = 'github' | 'gitlab';

/** Where comments of one request are. */
interface Place {
  /** Lists the comments, and takes new ones. */
  list: string;
  one: (id: number) => string;
  headers: Record<string, string>;
  /** What the token must be allowed to. */
  needs: string;
  updateBy: 'PATCH' | 'PUT';
}

export interface CommentOptions {
  forge: Forge;
  /** The text. It begins with the mark of `name`. */
  markdown: string;
  /** Tells several comments of one request apart. */
  name: string;
  /** Number of the request. Default: that of the running job. */
  number?: number;
  env?: NodeJS.ProcessEnv;
}

const TIMEOUT_MS = 30_000;
/** No token, not allowed, or not even allowed to know that there is something. */
const REFUSED: readonly number[] = [401, 403, 404];
const PAGE = 100;
/** A request has fewer comments. */
const MOST_PAGES = 50;
/** GitHub takes 65,536 characters. */
const MOST_CHARACTERS = 60_000;

/** @returns what was done. @throws CommentError */
export async function putComment(options: CommentOptions): Promise<'created' | 'updated'> {
  const { forge, markdown, name, number, env = process.env } = options;
  const place = forge === 'github' ? githubPlace(env, number) : gitlabPlace(env, number);
  const body = cut(markdown);
  const existing = await findComment(place, markerOf(name));
  if (existing === undefined) {
    await call(place, 'POST', place.list, { body });
    return 'created';
  }
  await call(place, place.updateBy, place.one(existing), { body });
  return 'updated';
}

function cut(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}\n\n(the rest is left out)\n`;
}

function needed(env: NodeJS.ProcessEnv, ...names: string[]): string {
  const value = names.map((name) => env[name]).find((each) => each !== undefined && each !== '');
  if (value === undefined) {
    throw new CommentError(`${names.join(' or ')} is not set`);
  }
  return value;
}

function githubPlace(env: NodeJS.ProcessEnv, number = githubNumber(env)): Place {
  const api = env['GITHUB_API_URL'] ?? 'https://api.github.com';
  const issues = `${api}/repos/${needed(env, 'GITHUB_REPOSITORY')}/issues`;
  return {
    list: `${issues}/${number}/comments`,
    one: (id) => `${issues}/comments/${id}`,
    updateBy: 'PATCH',
    needs: 'pull-requests: write',
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${needed(env, 'GITHUB_TOKEN', 'GH_TOKEN')}`,
      'x-github-api-version': '2022-11-28',
    },
  };
}

/** The pull request of the running job. */
function githubNumber(env: NodeJS.ProcessEnv): number {
  const [, ofRef] = /^refs\/pull\/(\d+)\//.exec(env['GITHUB_REF'] ?? '') ?? [];
  const number = Number(ofRef ?? eventNumber(env['GITHUB_EVENT_PATH']));
  if (!(number > 0)) {
    throw new CommentError('this job does not belong to a pull request: give --request');
  }
  return number;
}

function eventNumber(path: string | undefined): number | undefined {
  try {
    const event = JSON.parse(readFileSync(path ?? '', 'utf8')) as Record<string, { number?: number } | undefined>;
    return event['pull_request']?.number ?? event['issue']?.number;
  } catch {
    return undefined;
  }
}

function gitlabPlace(env: NodeJS.ProcessEnv, number?: number): Place {
  const api = env['CI_API_V4_URL'] ?? 'https://gitlab.com/api/v4';
  const project = encodeURIComponent(needed(env, 'CI_PROJECT_ID', 'CI_PROJECT_PATH'));
  const request = number ?? Number(env['CI_MERGE_REQUEST_IID']);
  if (!(request > 0)) {
    throw new CommentError('this job does not belong to a merge request: give --request');
  }
  const notes = `${api}/projects/${project}/merge_requests/${request}/notes`;
  return {
    list: notes,
    one: (id) => `${notes}/${id}`,
    updateBy: 'PUT',
    needs: 'the scope api, and the role Reporter',
    headers: { 'private-token': needed(env, 'GITLAB_TOKEN') },
  };
}

interface Comment {
  id: number;
  body?: string;
}

async function findComment(place: Place, marker: string): Promise<number | undefined> {
  for (let page = 1; page <= MOST_PAGES; page++) {
    const comments = (await call(place, 'GET', `${place.list}?per_page=${PAGE}&page=${page}`)) as Comment[];
    if (!Array.isArray(comments)) {
      throw new CommentError(`${place.list} answers with something else than a list of comments`);
    }
    const found = comments.find(({ body }) => body?.startsWith(marker));
    if (found !== undefined || comments.length < PAGE) {
      return found?.id;
    }
  }
  return undefined;
}

async function call({ headers, needs }: Place, method: string, url: string, content?: object): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: { 'user-agent': 'ct-bucket', 'content-type': 'application/json', ...headers },
      /* The token is for this server only. */
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(content === undefined ? {} : { body: JSON.stringify(content) }),
    });
  } catch (error) {
    const { message, cause } = error as Error & { cause?: Error };
    throw new CommentError(`${method} ${url}: ${cause?.message || message}`);
  }
  const text = await response.text().catch(() => '');
  if (!response.ok) {
    const advice = REFUSED.includes(response.status) ? `: the token needs ${needs}` : '';
    throw new CommentError(`${method} ${url}: ${`${response.status} ${messageIn(text)}`.trim()}${advice}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CommentError(`${method} ${url}: the answer is not JSON`);
  }
}

/** What the server says about its refusal, in one line. */
function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return (typeof message === 'string' ? message : JSON.stringify(message ?? ''))
      .replaceAll(/\s+/g, ' ')
      .slice(0, 200);
  } catch {
    return '';
  }
}
