import { ByteCursor } from './byte-cursor.ts';
import { imageInvalid } from './image-invalid.ts';
import { isTuple, type TfsTuple, type TfsValue, type TfsVector } from './tfs-value.ts';

/** Of the encoding: version 4 knows tuples and bytes only, version 5 vectors, integers and strings, too. */
export type TfsVersion = 4 | 5;

/** @see nanovms/nanos src/runtime/tuple.c */
export const valueTypes = { bytes: 0, tuple: 1, vector: 2, integer: 3, string: 4 } as const;

/** A file makes seven, so this is enough for 100,000 files; to read them takes about a second and 400 MiB at the worst. */
const maxEntries = 700_000;
/** A directory is two levels. */
const maxDepth = 512;

interface Header {
  readonly isImmediate: boolean;
  readonly type: number;
  /** A length, a count, or the number of a symbol. */
  readonly size: number;
}

interface OpenTuple extends TfsTuple {
  readonly entries: Map<string, TfsValue>;
}

interface OpenVector extends TfsVector {
  readonly items: (TfsValue | undefined)[];
}

/**
 * Decodes the values of a log one after the other. Symbols, tuples and vectors are numbered together from 1 in the order in which
 * they first appear, so a value cannot be understood without all that came before it.
 * @see nanovms/nanos src/runtime/tuple.c (decode_value), nanovms/ops fs/tfs.go (decodeValue)
 */
export class TfsDecoder {
  /** By number − 1. */
  readonly #dictionary: (string | OpenTuple | OpenVector)[] = [];
  readonly #symbolNumbers = new Map<string, number>();
  #entries = 0;

  /** How many numbers are taken. */
  get dictionarySize(): number {
    return this.#dictionary.length;
  }

  get symbolNumbers(): ReadonlyMap<string, number> {
    return this.#symbolNumbers;
  }

  /** The first thing that the log describes. @throws RuntimeError IMAGE_INVALID if that is no tuple */
  root(): TfsTuple {
    const root = this.#dictionary[0];
    if (typeof root === 'object' && isTuple(root)) return root;
    throw imageInvalid('the log has no root tuple');
  }

  /**
   * Take in the value of one record.
   * @throws RuntimeError IMAGE_INVALID
   */
  decode(record: Buffer, version: TfsVersion): void {
    const cursor = new ByteCursor(record);
    this.#value(cursor, version, 0);
    if (cursor.remaining > 0) throw imageInvalid('a record is longer than the value in it');
  }

  #value(cursor: ByteCursor, version: TfsVersion, depth: number): TfsValue | undefined {
    if (depth > maxDepth) throw imageInvalid('its tuples are nested too deep');
    const { isImmediate, type, size } = readHeader(cursor, version);
    switch (type) {
      case valueTypes.tuple:
        return this.#tuple(cursor, version, depth, isImmediate, size);
      case valueTypes.vector:
        return this.#vector(cursor, version, depth, isImmediate, size);
      case valueTypes.integer:
        return readInteger(cursor, size > 0);
      case valueTypes.string:
        return isImmediate ? cursor.take(size).toString('latin1') : this.#symbol(size);
      case valueTypes.bytes:
        // Nothing: this is how an entry is removed. One zero byte is a value that is there but says nothing.
        if (size === 0) return undefined;
        if (!isImmediate) return this.#symbol(size);
        return textOrNull(cursor.take(size).toString('latin1'));
      default:
        throw imageInvalid(`a value has the unknown type ${type}`);
    }
  }

  #tuple(
    cursor: ByteCursor,
    version: TfsVersion,
    depth: number,
    isImmediate: boolean,
    count: number,
  ): TfsTuple {
    const tuple = isImmediate ? this.#newTuple() : this.#known(cursor.varint());
    if (tuple.kind !== 'tuple') throw imageInvalid('a record takes a vector for a tuple');
    for (let index = 0; index < count; index++) {
      this.#countEntry();
      const name = this.#name(cursor, version);
      const value = this.#value(cursor, version, depth + 1);
      if (value === undefined) tuple.entries.delete(name);
      else tuple.entries.set(name, value);
    }
    return tuple;
  }

  #vector(
    cursor: ByteCursor,
    version: TfsVersion,
    depth: number,
    isImmediate: boolean,
    count: number,
  ): TfsVector {
    const vector = isImmediate ? this.#newVector() : this.#known(cursor.varint());
    if (vector.kind !== 'vector') throw imageInvalid('a record takes a tuple for a vector');
    for (let index = 0; index < count; index++) {
      this.#countEntry();
      // The vector may refer to itself, and have grown meanwhile: each item has its own place.
      vector.items[index] = this.#value(cursor, version, depth + 1);
    }
    return vector;
  }

  #name(cursor: ByteCursor, version: TfsVersion): string {
    const { isImmediate, type, size } = readHeader(cursor, version);
    if (type !== valueTypes.bytes) throw imageInvalid('an entry of a tuple has no name');
    if (!isImmediate) return this.#symbol(size);
    const symbol = cursor.take(size).toString('latin1');
    this.#dictionary.push(symbol);
    this.#symbolNumbers.set(symbol, this.#dictionary.length);
    return symbol;
  }

  #symbol(number: number): string {
    const symbol = this.#dictionary[number - 1];
    if (typeof symbol === 'string') return symbol;
    throw imageInvalid(`a record refers to symbol ${number}, which is none`);
  }

  #known(number: number): OpenTuple | OpenVector {
    const value = this.#dictionary[number - 1];
    if (typeof value === 'object') return value;
    throw imageInvalid(`a record refers to tuple ${number}, which is none`);
  }

  #newTuple(): OpenTuple {
    const tuple: OpenTuple = { kind: 'tuple', number: this.#dictionary.length + 1, entries: new Map() };
    this.#dictionary.push(tuple);
    return tuple;
  }

  #newVector(): OpenVector {
    const vector: OpenVector = { kind: 'vector', number: this.#dictionary.length + 1, items: [] };
    this.#dictionary.push(vector);
    return vector;
  }

  #countEntry(): void {
    this.#entries++;
    if (this.#entries > maxEntries) throw imageInvalid(`its log has more than ${maxEntries} entries`);
  }
}

/** The high bits of the first byte say what follows; the low ones are the size, or its start if the bit above them is set. */
function readHeader(cursor: ByteCursor, version: TfsVersion): Header {
  const first = cursor.byte();
  const isImmediate = first >= 0x80;
  const sizeBits = version === 4 ? 5 : 3;
  const type = version === 4 ? (first >> 6) & 1 : (first >> 4) & 7;
  const low = first & ((1 << sizeBits) - 1);
  const isContinued = (first & (1 << sizeBits)) !== 0;
  return { isImmediate, type, size: isContinued ? cursor.continueVarint(low) : low };
}

function readInteger(cursor: ByteCursor, isNegative: boolean): number | bigint {
  const value = cursor.wideVarint();
  return isNegative ? -value : value;
}

function textOrNull(bytes: string): string | null {
  return bytes === '\0' ? null : bytes;
}
