/** Counts packets of some kind, and remembers the first. */
export class Occurrences {
  count = 0;
  /** Number of the first packet; 0 while there is none. */
  first = 0;

  add(number: number): void {
    this.count++;
    if (this.first === 0) {
      this.first = number;
    }
  }

  /** "3 packets skipped, first packet 6" */
  text(what: string): string {
    return `${counted(this.count, 'packet')} ${what}, first packet ${this.first}`;
  }
}

/** "1 packet", "2 packets" */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
