import { imageInvalid } from './image-invalid.ts';

/**
 * Reads bytes one after the other, and never past their end.
 * @see nanovms/nanos src/runtime/buffer.h (pop_varint)
 */
export class ByteCursor {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  /** @throws RuntimeError IMAGE_INVALID at the end of the bytes, as all that follow */
  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw imageInvalid('a record goes past the end of its log segment');
    this.at++;
    return value;
  }

  take(length: number): Buffer {
    if (length > this.remaining) throw imageInvalid('a record goes past the end of its log segment');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A length, count, sector or dictionary number: seven bits a byte, the highest first. */
  varint(): number {
    return this.continueVarint(0);
  }

  /** The bytes of a number of which some bits were read already. */
  continueVarint(start: number): number {
    let value = start;
    let byte: number;
    do {
      byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if (value > Number.MAX_SAFE_INTEGER) throw imageInvalid('a number in the log is out of range');
    } while (byte >= 128);
    return value;
  }

  /** A number of up to 64 bits, such as a time, which counts in fractions of a second. */
  wideVarint(): number | bigint {
    let value = 0n;
    let byte: number;
    do {
      byte = this.byte();
      value = (value << 7n) | BigInt(byte & 0x7f);
      if (value >= 1n << 64n) throw imageInvalid('a number in the log is out of range');
    } while (byte >= 128);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }
}
