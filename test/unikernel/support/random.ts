/** Numbers that look random and are the same in every run, so that a failure can be looked at again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to below `limit`, which is at most 2³². */
  below(limit: number): number {
    // A counter whose bits are mixed, as in splitmix: any seed will do, and the numbers do not repeat for 2³² calls.
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    mixed = (mixed ^ (mixed >>> 15)) >>> 0;
    return Math.floor((mixed / 2 ** 32) * limit);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** Text of up to `most` of these characters. */
  text(characters: readonly string[], most: number): string {
    return Array.from({ length: this.below(most + 1) }, () => this.pick(characters)).join('');
  }
}
