/**
 * The ids of connections in events: whole numbers below 2^53, so that a JavaScript number and JSON hold them exactly.
 *
 *   id = generation * span + record
 *
 * The record is less than the span, a power of two. The generation says how often the record's memory was used. Records have a
 * generation of 28 bits. Of a table of up to 4 GiB the id has all of them. Of a larger one it has 27, because record numbers need one
 * bit more. So an id returns only after 2^27 connections in the same record.
 */

import { LIFE_GENERATION_SHIFT, UNIT_WORDS } from '../table/conn.ts';

const ID_SPAN: number = 2 ** 53;
const SMALLEST_SPAN: number = 2 ** 25;
const GENERATION_BITS: number = 32 - LIFE_GENERATION_SHIFT;

export class ConnectionIds {
  readonly #span: number;
  readonly #generationMask: number;

  /** @param words words of the table's memory, in which the records lie */
  constructor(words: number) {
    const records = Math.ceil(words / UNIT_WORDS);
    this.#span = Math.max(SMALLEST_SPAN, 2 ** Math.ceil(Math.log2(records)));
    this.#generationMask = Math.min(2 ** GENERATION_BITS, ID_SPAN / this.#span) - 1;
  }

  idOf(record: number, generation: number): number {
    return (generation & this.#generationMask) * this.#span + record;
  }
}
