/**
 * A ring of variable-sized slots between one producer thread and one consumer thread.
 *
 *   producer   reserve --> write the slot --> publish                        harvest: read the results
 *                                                \                          /
 *   consumer                                      poll, claim --> release --
 *
 * The consumer works on a slot in place, and releases it. Then the producer reads the consumer's results from the slot.
 * ring-layout.ts draws the words.
 */

export { RingConsumer } from './ring-consumer.ts';
export { allocateRing, closeRing, SLOT_SIZE, spareOf } from './ring-layout.ts';
export { RingProducer } from './ring-producer.ts';
