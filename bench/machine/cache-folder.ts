/** The user's cache folder: builds of `regress`, and runtimes. Programs in it are executed, so it must belong to the user alone. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { requirePrivateFolder } from '../../src/workers/control/private-folder.ts';

/** The user's cache folder. @throws UsageError if the user has no home folder */
export function defaultCache(env: NodeJS.ProcessEnv = process.env): string {
  const given = env['XDG_CACHE_HOME'];
  if (given !== undefined && isAbsolute(given)) {
    return join(given, 'ct-bucket');
  }
  let home = '';
  try {
    home = homedir();
  } catch {
    /* The user id has no entry in the list of users, and HOME is not set. */
  }
  if (!isAbsolute(home)) {
    throw new UsageError(
      'there is no home folder for the cache of builds: set XDG_CACHE_HOME to a folder that you own',
    );
  }
  return join(home, '.cache', 'ct-bucket');
}

/** Makes the folder, or checks it. @throws UsageError if another user could have written to it */
export function requireCache(cache: string): void {
  requirePrivateFolder(cache, 'give a folder of your own in XDG_CACHE_HOME, or chmod 700 it');
}
