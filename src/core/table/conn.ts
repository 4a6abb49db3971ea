/**
 * A connection record: one unit of 128 bytes for IPv4, two for IPv6 and for data connections of helpers.
 *
 *   line 0: every word that inserting, finding, refreshing and removing a plain connection needs. UDP and ICMP over IPv4 never
 *   touch the other line
 *
 *   word   0               1               2               3
 *        +---------------+---------------+---------------+---------------+
 *      0 | SRC         i | DST         i | PORTS       i | META        i |   the key
 *        +---------------+---------------+---------------+---------------+
 *      4 | LIFE        a | EXPIRES     a | STATE     c/a | FLAGS       i |
 *        +---------------+---------------+---------------+---------------+
 *      8 | MARK        c | LABEL_SEQ.  a | LOCK          | TIMEOUT_POL.i |
 *        +---------------+---------------+---------------+---------------+
 *     12 | HASH        i | ADMIT_POOL  i | PLACE       i | TCP_MAX_W.  c |   or STREAM_AFTER a
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
 *     28 | SEQ_ADJ    c | HELPER    i/c | LINK        s | TAG         s |   ConnFlag.HELPER; or ADMIT_GENERATION i
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
 * Which thread may write a word, and when:
 *   i   immutable: written before the record is linked, unchanged while it is linked
 *   c   conn lock: by the holder of the connection's LOCK
 *   a   atomic: by several threads, see the field
 *   s   slab: by the slab (shared/memory/slab.ts), before the record is filled and after it is unlinked
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
   * generation << LIFE_GENERATION_SHIFT | LIFE_ flags. atomic. The creator sets it to alive before it links the record.
   * Any thread sets DEAD (killed, or superseded after it had expired). Any thread sets CLEANED; the one that turns it
   * from 0 to 1 removes the record. A thread that links another connection with one of its keys sets RIVAL. The
   * generation counts how often the memory was allocated. It tells a remembered connection from its successor in the
   * same record.
   */
  LIFE: 1,
  /**
   * When the connection expires: low 32 bits of the clock in ms. atomic: any packet refreshes it by a plain single-word
   * write.
   */
  EXPIRES: 1,
  /** TCP: conn lock (proto/tcp-state.ts). Other protocols: atomic, any thread changes it by compare-exchange. */
  STATE: 1,
  /** immutable. ConnFlag bits. */
  FLAGS: 1,
  /** conn lock for writing. A single word, read as a hint. */
  MARK: 1,
  /**
   * Even: the label is stable; odd: a thread is writing it. atomic: written under the conn lock, read without it. 0:
   * never set.
   */
  LABEL_SEQUENCE: 1,
  LOCK: 1,
  /** immutable. Timeout policy id. */
  TIMEOUT_POLICY: 1,
  /** immutable. Hash of the key. */
  HASH: 1,
  /** immutable. The quota pool of the zone that counts the connection (0: none). */
  ADMIT_POOL: 1,
  /** immutable. Its place in the zone lists (zones/zone-lists.ts). Of a free record: any number. */
  PLACE: 1,
  /** conn lock. TCP: largest window of each peer, original in the low half. */
  TCP_MAX_WINDOW: 1,

  /** conn lock. TCP: sequence numbers of the two peers. */
  TCP_SEQ_LOW: 2,
  TCP_SEQ_HIGH: 2,
  /** conn lock, with LABEL_SEQUENCE. Four words, the least significant first. */
  LABEL: 4,
  /** immutable, only with CONN_NAT: the reverse key, which replies carry, and its hash. */
  REV_SRC: 1,
  REV_DST: 1,
  REV_PORTS: 1,
  REV_HASH: 1,
  /**
   * conn lock, only with ConnFlag.HELPER: by how many bytes the control connection's payload has grown
   * (alg/sequence.ts).
   */
  SEQ_ADJ: 1,
  /**
   * With ConnFlag.HELPER: the helper (HELPER_ bits, immutable) and the direction of the sequence adjustment (conn
   * lock).
   */
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
   * Other protocols, in the same word, for events (assured.ts): a UDP packet later than this makes the conversation a
   * stream. Low 32 bits of the clock in ms. Written by the creator before it links the record, and by the thread that
   * sets STATE to replied.
   */
  STREAM_AFTER: CONN.TCP_MAX_WINDOW,
  /**
   * immutable, only with ADMIT_POOL: that pool's generation. In the slab's word: few connections are counted in a zone, and
   * the others need not touch line 1.
   */
  ADMIT_GENERATION: CONN.LINK,
} as const;

/** log2 of UNIT_WORDS: a record's number shifted by it is its word index. */
export const UNIT_SHIFT = 5;
/** Record numbers are below this, so that every word index of a record is a positive 32-bit number. */
export const RECORD_SPAN: number = 2 ** 26;

if (1 << UNIT_SHIFT !== UNIT_WORDS) {
  throw new Error('UNIT_SHIFT and UNIT_WORDS disagree');
}
if (ConnWord.TCP_SEQ_LOW !== LINE_WORDS || ConnWord.SRC6 !== UNIT_WORDS) {
  throw new Error('the fields of a connection record cross its cache lines');
}

/** Record classes of the slab. */
export const RecordClass = { ipv4: 0, ipv6: 1 } as const;

/** Bits of LIFE. */
export const LIFE_CLEANED = 1;
export const LIFE_DEAD = 2;
/**
 * With LIFE_DEAD: the connection had expired, and a new one has taken its tuple. The removal is counted as an expiry,
 * not as a kill.
 */
export const LIFE_SUPERSEDED = 4;
export const LIFE_FLAGS: number = LIFE_CLEANED | LIFE_DEAD | LIFE_SUPERSEDED;
/**
 * Another connection claims one of its keys, or did. Set on both: on the older translated one, and on the newer one
 * whose replies carry the key. A search that meets such a record goes on (lookup.ts). Set under the bucket's lock,
 * never cleared.
 */
export const LIFE_RIVAL = 8;
export const LIFE_GENERATION_SHIFT = 4;
/** One generation, as it is added to LIFE. */
export const LIFE_GENERATION: number = 1 << LIFE_GENERATION_SHIFT;

/** Bits of FLAGS. */
export const ConnFlag = {
  /** The reverse key has another hash: the record has two entries. */
  TWO_ENTRIES: 1,
  /** The reverse key is not the key with source and destination swapped. */
  TRANSLATED: 2,
  /** The source (SNAT) or destination (DNAT) of original packets is translated, perhaps to itself. */
  SNAT: 4,
  DNAT: 8,
  /** A data connection that a helper expected. */
  RELATED_TO_PARENT: 16,
  /** An IPv4 connection in a record of two units, because it has a parent. */
  TWO_UNITS: 32,
  /** Has a helper. */
  HELPER: 64,
} as const;

/** Bits of HELPER: the number of the helper's name, its HelperKind, and whether the adjustment applies to replies. */
export const HELPER_NAME_MASK = 0xff;
export const HELPER_KIND_SHIFT = 8;
export const HELPER_KIND_MASK: number = 3 << HELPER_KIND_SHIFT;
export const HELPER_ADJUSTS_REPLY: number = 1 << 10;

/** Connections with a helper, and those that a helper expected. */
export const CONN_ALG: number = ConnFlag.RELATED_TO_PARENT | ConnFlag.HELPER;

/** The RecordClass of the connection at word `r`. */
export function recordClassOf(records: Int32Array, r: number): number {
  const isTwoUnits =
    (records[r + ConnWord.META]! & META_IPV6) !== 0 || (records[r + ConnWord.FLAGS]! & ConnFlag.TWO_UNITS) !== 0;
  return isTwoUnits ? RecordClass.ipv6 : RecordClass.ipv4;
}

/** A connection with one of these flags has its packets translated. */
export const CONN_NAT: number = ConnFlag.SNAT | ConnFlag.DNAT;

/** Has the clock reached the expiry? Both are low 32 bits of milliseconds, less than 2^31 apart. */
export function isExpired(expires: number, now: number): boolean {
  return ((now - expires) | 0) >= 0;
}

/** Is the record at word `r` dead, removed, or expired? */
export function isStale(records: Words, r: number, now: number): boolean {
  return (peek(records, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0 || isExpired(peek(records, r + ConnWord.EXPIRES), now);
}
