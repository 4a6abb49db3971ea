/**
 * Expiry as a word of the record, which packets write without a lock: what `ct-bucket` and `ct-scale` have in common. The sweeper
 * has to be told of a connection only if it expires earlier than was known.
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
    /* Within one millisecond most packets of a busy connection leave the line as it is. */
    const before = peek(words, r + ConnWord.EXPIRES);
    if (before !== expires) {
      poke(words, r + ConnWord.EXPIRES, expires);
      if (((expires - before) | 0) < 0) {
        this.shortened(r, timeout, expires);
      }
    }
  }

  /* Before the lock is gone: a state and the expiry of another one must not come together. */
  override extendLocked(r: number, timeout: number, now: number): number {
    this.extend(r, timeout, now);
    return EXTENDED;
  }

  /** The connection's new state lasts less long than what was left of the old one: the sweeper has to know. */
  protected abstract shortened(r: number, timeout: number, expires: number): void;
}
