/** What a failed program of another project said, in one line: the error, and the line of code that threw it. */

import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChildError } from '../../../src/host/children.ts';

/** The line that names the error: that of Node's report, else what was said last. */
export function errorLine(error: unknown, folder?: string): string {
  const stderr = (error as { stderr?: string }).stderr ?? '';
  const [, said] = /^(?:\w*Error(?: \[\w+\])?|FATAL ERROR): (.*)$/m.exec(stderr) ?? [];
  if (said === undefined) {
    return lastLine(error);
  }
  const place = folder === undefined ? undefined : placeIn(stderr, folder);
  return `${said.trim()}${place === undefined ? '' : ` (${place})`}`;
}

/** What a failed command said last. */
export function lastLine(error: unknown): string {
  const said = error instanceof ChildError ? error.stderr.trim().split('\n').at(-1) : undefined;
  return said || (error as Error).message;
}

/** File and line of the project's own code that Node's report names first. Packages and Node's own code are not the user's. */
function placeIn(stderr: string, folder: string): string | undefined {
  for (const [, text, line] of stderr.matchAll(/(?:^|\(|at )((?:file:\/\/)?\/[^\n()]*?):(\d+)(?=[:)\n]|$)/gm)) {
    const path = relative(folder, pathOf(text!));
    if (!path.startsWith('..') && !path.includes('node_modules')) {
      return `${path}:${line}`;
    }
  }
  return undefined;
}

function pathOf(text: string): string {
  try {
    return text.startsWith('file://') ? fileURLToPath(text) : text;
  } catch {
    return text;
  }
}
