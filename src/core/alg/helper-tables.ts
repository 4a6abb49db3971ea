/** What a thread needs for helpers: the shared tables, and scratch memory of its own. */

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
  /** An address to be put into a payload. */
  readonly text: Uint8Array = new Uint8Array(MAX_ADDRESS_TEXT_BYTES);
  /** An expectation: one that was found, or one to be made. */
  readonly entry: Int32Array = new Int32Array(ENTRY_WORDS);
  /** A control connection that is removed: its key and record in the parent's words. Apart, since creating may remove. */
  readonly removed: Int32Array = new Int32Array(ENTRY_WORDS);
  /** How the connection that is about to be created has to do with helpers (Opening bits); 0: not at all. */
  opening = 0;
  /** With Opening.HELPER: what goes into ConnWord.HELPER. */
  openingHelper = 0;
  /** A HelperKind: what the current packet is to the helper of its connection. */
  packetKind = 0;

  constructor(words: Words, helperNames: number, expectations: number) {
    this.names = new HelperNames(words, helperNames);
    this.expectations = new Expectations(words, expectations);
  }
}
