// SPDX-License-Identifier: Apache-2.0

/**
 * Numbers distinct tuples of `width` 32-bit integers in the order they are first seen. Open addressing over typed
 * arrays: no object and no string per tuple.
 */
export class TupleTable {
  size = 0;
  /** size × width values, row-major. */
  values: Uint32Array;
  private slots: Int32Array;

  constructor(
    private readonly width: number,
    capacity = 256,
  ) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.slots = new Int32Array(slots).fill(-1);
    this.values = new Uint32Array((slots / 2) * width);
  }

  /** Row of the tuple at `from[offset]`, made when it is new. */
  add(from: Uint32Array, offset = 0): number {
    const { width } = this;
    const slot = this.find(from, offset);
    const known = this.slots[slot]!;
    if (known >= 0) return known;
    const row = this.size++;
    this.slots[slot] = row;
    for (let i = 0; i < width; i++) this.values[row * width + i] = from[offset + i]!;
    if (this.size * 2 >= this.slots.length) this.grow();
    return row;
  }

  private find(from: Uint32Array, offset: number): number {
    const { width, slots, values } = this;
    const mask = slots.length - 1;
    let hash = 0;
    for (let i = 0; i < width; i++) {
      hash = Math.imul(hash ^ from[offset + i]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot]!;
      if (row < 0) return slot;
      let same = true;
      for (let i = 0; same && i < width; i++) same = values[row * width + i] === from[offset + i];
      if (same) return slot;
    }
  }

  private grow(): void {
    const old = this.values;
    this.slots = new Int32Array(this.slots.length * 2).fill(-1);
    this.values = new Uint32Array((this.slots.length / 2) * this.width);
    this.values.set(old.subarray(0, this.size * this.width));
    for (let row = 0; row < this.size; row++) this.slots[this.find(this.values, row * this.width)] = row;
  }
}
