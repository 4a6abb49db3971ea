/** The helpers' part of a thread: the shared tables, and scratch memory. */

import type { Words } from '../../shared/access.ts';
import { MAX_ADDRESS_TEXT_BYTES } from './address-text.ts';
import { ENTRY_WORDS } from './expectation-layout.ts';
import { Expectations } from './expectations.ts';
import { FtpMessage } from './ftp.ts';
import { HelperNames } from './helper-names.ts';

export class Alg {
  readonly names: HelperNames;
  readonly expectations: Expectations;
  readonly message: FtpMessage = new FtpMessage();
  /** An address to be written into a payload. */
  readonly text: Uint8Array = new Uint8Array(MAX_ADDRESS_TEXT_BYTES);
  /** An expectation that was found, or one that is being built. */
  readonly entry: Int32Array = new Int32Array(ENTRY_WORDS);
  /**
   * Key and record of a control connection that is being removed, in the parent's words. Apart from `entry`, since
   * creating a connection may remove others.
   */
  readonly removed: Int32Array = new Int32Array(ENTRY_WORDS);
  /** With Opening.HELPER: the value for ConnWord.HELPER. */
  openingHelper = 0;
  /** A HelperKind: the helper that reads the current packet. */
  packetKind = 0;

  constructor(words: Words, helperNames: number, expectations: number) {
    this.names = new HelperNames(words, helperNames);
    this.expectations = new Expectations(words, expectations);
  }
}
