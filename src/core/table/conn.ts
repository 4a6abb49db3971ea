/**
 * A connection record: one unit of 128 bytes for IPv4, two for IPv6 and for data connections of helpers.
 *
 *   line 0: all that inserting, finding, refreshing and removing a plain connection reads or writes. For UDP and ICMP over IPv4 the
 *   other line is never touched
 *
 *   word   0               1               2               3
 *        +---------------+---------------+---------------+---------------+
 *      0 | SRC         i | DST         i | PORTS       i | META        i |   the key
 *        +---------------+---------------+---------------+---------------+
 *      4 | LIFE        a | EXPIRES     a | STATE     c/a | FLAGS       i |
 *        +---------------+---------------+---------------+---------------+
 *      8 | MARK        c | LABEL_SEQ.  a | LOCK          | TIMEOUT_POL.i |
 *        +---------------+---------------+---------------+---------------+
 *     12 | HASH        i | ADMIT_POOL  i | ADMIT_GENER.i | TCP_MAX_W.  c |   or STREAM_AFTER a
 *        +---------------+---------------+---------------+---------------+
 *
 *   line 1: TCP windows, labels, the reverse key of a translated connection, the slab's words
 *
 *        +---------------+---------------+---------------+---------------+
 *     16 | TCP_SEQ_LOW: orig, reply    c | TCP_SEQ_HIGH: orig, reply   c |
 *        +---------------+---------------+---------------+---------------+
 *     20 | LABEL, 4 words                                              c |
 *        +---------------+---------------+---------------+---------------+
 *     24 | REV_SRC     i | REV_DST     i | REV_PORTS   i | REV_HASH    i |   ConnFlag.SNAT, DNAT
 *        +---------------+---------------+---------------+---------------+
 *     28 | SEQ_ADJ    c | HELPER    i/c | LINK        s | TAG         s |   ConnFlag.HELPER
 *        +---------------+---------------+---------------+---------------+
 *
 *   unit 2: IPv6 addresses of both keys; the parent of a data connection
 *
 *        +---------------+---------------+---------------+---------------+
 *     32 | SRC6, 4 words                                               i |   META_IPV6
 *     36 | DST6, 4 words                                               i |
 *     40 | REV_SRC6, 4 words                                           i |   and ConnFlag.SNAT, DNAT
 *     44 | REV_DST6, 4 words                                           i |
 *        +---------------+---------------+---------------+---------------+
 *     48 | PARENT_META i | PARENT_PORTSi | PARENT_SRC  i | PARENT_DST  i |   ConnFlag.RELATED_TO_PARENT
 *        +---------------+---------------+---------------+---------------+
 *     52 | PARENT_SRC6, 4 words                                        i |   and META_IPV6
 *     56 | PARENT_DST6, 4 words                                        i |
 *     60 | -                                                             |
 *        +---------------+---------------+---------------+---------------+
 *
 * Who may write what, and when:
 *   i   immutable: written before the record is linked, never changed while it is
 *   c   conn lock: under the connection's LOCK
 *   a   atomic: where threads meet, see the field
 *   s   slab: belongs to the slab (shared/slab.ts)
 */

import { peek, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { wordLayout } from '../../shared/memory/word-layout.ts';
import { META_IPV6 } from '../packet/key.ts';

/** Words of a unit. */
export const UNIT_WORDS: number = 2 * LINE_WORDS;
/** Words of each field, in the order in which they lie. */
const CONN = wordLayout('a connection record', 2 * UNIT_WORDS, {
  /** immutable. As in packet/key.ts; IPv6: zero, see SRC6. */
  SRC: 1,
  DST: 1,
  PORTS: 1,
  META: 1,
  /**
   * generation << LIFE_GENERATION_SHIFT | LIFE_ flags. atomic: set to alive before the record is linked; any thread
   * sets DEAD (killed, or superseded after it had expired) and CLEANED (whoever sets it removes the record), whoever
   * links another connection with one of its keys RIVAL. The
   * generation counts how often the memory was handed out, so that a remembered connection can be told from its
   * successor.
   */
  LIFE: 1,
  /** When it expires: low 32 bits of the clock in ms. atomic: any packet refreshes it by a plain single-word write. */
  EXPIRES: 1,
  /** TCP: conn lock (proto/tcp-state.ts). Other protocols: atomic, any thread moves it on by compare-exchange. */
  STATE: 1,
  /** immutable. ConnFlag bits. */
  FLAGS: 1,
  /** conn lock for writing; single word, read as a hint. */
  MARK: 1,
  /** Even: label stable; odd: being written. atomic: written under the conn lock, read without. 0: never set. */
  LABEL_SEQUENCE: 1,
  LOCK: 1,
  /** immutable. Timeout policy id. */
  TIMEOUT_POLICY: 1,
  /** immutable. Hash of the key. */
  HASH: 1,
  /** immutable. The zone limit's pool that the connection was counted in (0: none) and its generation. */
  ADMIT_POOL: 1,
  ADMIT_GENERATION: 1,
  /** conn lock. TCP: largest window of each peer, original in the low half. */
  TCP_MAX_WINDOW: 1,

  /** conn lock. TCP: sequence numbers of the two peers. */
  TCP_SEQ_LOW: 2,
  TCP_SEQ_HIGH: 2,
  /** conn lock, with LABEL_SEQUENCE. Four words, the least significant first. */
  LABEL: 4,
  /** immutable, only with CONN_NAT: the reverse key, that the answers carry, and its hash. */
  REV_SRC: 1,
  REV_DST: 1,
  REV_PORTS: 1,
  REV_HASH: 1,
  /** conn lock, only with ConnFlag.HELPER: what the control connection's payload has grown by (alg/sequence.ts). */
  SEQ_ADJ: 1,
  /** With ConnFlag.HELPER: the helper (HELPER_ bits, immutable) and the skew's direction (conn lock). */
  HELPER: 1,
  /** slab */
  LINK: 1,
  TAG: 1,

  /** immutable. IPv6 only: addresses of the key, and with CONN_NAT of the reverse key. */
  SRC6: 4,
  DST6: 4,
  REV_SRC6: 4,
  REV_DST6: 4,
  /** immutable, only with ConnFlag.RELATED_TO_PARENT: the control connection's key. */
  PARENT_META: 1,
  PARENT_PORTS: 1,
  PARENT_SRC: 1,
  PARENT_DST: 1,
  PARENT_SRC6: 4,
  PARENT_DST6: 4,
  _UNUSED: 4,
});

/** Offset of each field in a record. */
export const ConnWord = {
  ...CONN,
  /**
   * Other protocols, in the same word, for events (assured.ts): a packet later than this (low 32 bits of the clock in ms)
   * makes a UDP conversation a stream. Written before the record is linked, and by the thread that has set STATE to
   * answered.
   */
  STREAM_AFTER: CONN.TCP_MAX_WINDOW,
} as const;

/** log2 of UNIT_WORDS: a record's number shifted by it is its word index. */
export const UNIT_SHIFT = 5;
/** Records have lower numbers than this: with 28 bits of a generation, one fits the id of an event, which is a number. */
export const RECORD_SPAN: number = 2 ** 25;

if (1 << UNIT_SHIFT !== UNIT_WORDS) {
  throw new Error('UNIT_SHIFT and UNIT_WORDS disagree');
}
if (ConnWord.TCP_SEQ_LOW !== LINE_WORDS || ConnWord.SRC6 !== UNIT_WORDS) {
  throw new Error('a connection record does not keep to its lines');
}

/** Record classes of the slab. */
export const RecordClass = { ipv4: 0, ipv6: 1 } as const;

/** Bits of LIFE. */
export const LIFE_CLEANED = 1;
export const LIFE_DEAD = 2;
/** With LIFE_DEAD: it had expired, and a new connection has taken its tuple. Not a reason of its own to be dead. */
export const LIFE_SUPERSEDED = 4;
export const LIFE_FLAGS: number = LIFE_CLEANED | LIFE_DEAD | LIFE_SUPERSEDED;
/**
 * Another connection claims one of its keys, or did: a translated one that is older, and a newer one that claims it by the answers
 * to it. A search that meets one of them goes on (lookup.ts). Set under the bucket's lock, never cleared.
 */
export const LIFE_RIVAL = 8;
export const LIFE_GENERATION_SHIFT = 4;
/** What one generation adds to LIFE. */
export const LIFE_GENERATION: number = 1 << LIFE_GENERATION_SHIFT;

/** Bits of FLAGS. */
export const ConnFlag = {
  /** The reverse key hashes elsewhere: the record is linked twice. */
  TWO_ENTRIES: 1,
  /** The reverse key is not simply the key turned round. */
  TRANSLATED: 2,
  /** The source (SNAT) or destination (DNAT) of original packets is translated, be it to what it was. */
  SNAT: 4,
  DNAT: 8,
  /** A data connection that a helper expected. */
  RELATED_TO_PARENT: 16,
  /** The record is of two units although the connection is an IPv4 one: it has a parent. */
  TWO_UNITS: 32,
  /** Has a helper. */
  HELPER: 64,
} as const;

/** Bits of HELPER: the name's number, what the helper does (HelperKind), and whether answers are what has grown. */
export const HELPER_NAME_MASK = 0xff;
export const HELPER_KIND_SHIFT = 8;
export const HELPER_KIND_MASK: number = 3 << HELPER_KIND_SHIFT;
export const HELPER_ADJUSTS_REPLY: number = 1 << 10;

/** Connections that helpers have to do with. */
export const CONN_ALG: number = ConnFlag.RELATED_TO_PARENT | ConnFlag.HELPER;

/** The RecordClass of the connection at word `r`. */
export function recordClassOf(records: Int32Array, r: number): number {
  const isTwoUnits =
    (records[r + ConnWord.META]! & META_IPV6) !== 0 || (records[r + ConnWord.FLAGS]! & ConnFlag.TWO_UNITS) !== 0;
  return isTwoUnits ? RecordClass.ipv6 : RecordClass.ipv4;
}

/** Packets of a connection with one of these are translated. */
export const CONN_NAT: number = ConnFlag.SNAT | ConnFlag.DNAT;

/** Has the clock reached the expiry? Both are low 32 bits of milliseconds, less than 2^31 apart. */
export function isExpired(expires: number, now: number): boolean {
  return ((now - expires) | 0) >= 0;
}

/** Is the record at word `r` dead, removed, or expired? */
export function isStale(records: Words, r: number, now: number): boolean {
  return (peek(records, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0 || isExpired(peek(records, r + ConnWord.EXPIRES), now);
}
