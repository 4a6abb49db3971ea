/**
 * Expiry as a word of the record, which packets write without a lock: common to `ct-bucket` and `ct-scale`. The engine
 * tells the sweeper about a connection only if it expires earlier than before.
 */

import { peek, poke, type Words } from '../../shared/access.ts';
import { ConnWord } from '../table/conn.ts';
import type { TimeoutPolicies } from '../expiry/timeouts.ts';
import { EXTENDED, type ExpiryParts, ExpiryStrategy } from './expiry.ts';
import type { ExpirationLists } from './lists.ts';

export abstract class WordExpiry extends ExpiryStrategy {
  readonly words: Words;
  readonly timeouts: TimeoutPolicies;

  constructor(
    parts: ExpiryParts,
    options: { linkedIntent: number; sweepsAll: boolean; lists: ExpirationLists | undefined },
  ) {
    super(options);
    this.words = parts.words;
    this.timeouts = parts.timeouts;
  }

  override extend(r: number, timeout: number, now: number): void {
    const { words } = this;
    const expires = (now + this.timeouts.timeoutMs(words[r + ConnWord.TIMEOUT_POLICY]!, timeout)) | 0;
    /* Most packets of a busy connection come within the same millisecond. They need not dirty the cache line. */
    const before = peek(words, r + ConnWord.EXPIRES);
    if (before !== expires) {
      poke(words, r + ConnWord.EXPIRES, expires);
      if (((expires - before) | 0) < 0) {
        this.shortened(r, timeout, expires);
      }
    }
  }

  /* Under the lock, so that a state is never combined with the expiry of another one. */
  override extendLocked(r: number, timeout: number, now: number): number {
    this.extend(r, timeout, now);
    return EXTENDED;
  }

  /** The connection now expires earlier than before: the sweeper must know. */
  protected abstract shortened(r: number, timeout: number, expires: number): void;
}
