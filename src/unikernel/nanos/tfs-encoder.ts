import { assertNever } from '../../base/assert-never.ts';
import { RuntimeError } from '../../base/runtime-error.ts';
import { type TfsVersion, valueTypes } from './tfs-decoder.ts';
import type { TfsLog } from './tfs-log.ts';
import { isTuple, type TfsTuple, type TfsValue } from './tfs-value.ts';

/** A change to what a name stands for. Names and texts are byte strings, as in {@link TfsValue}. */
export type TfsEdit =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly texts: readonly string[] }
  | { readonly kind: 'remove' }
  /** In place of whatever was there. */
  | { readonly kind: 'replace'; readonly entries: TfsEdits }
  /** Into the tuple that is there, or else as a new one. */
  | { readonly kind: 'merge'; readonly entries: TfsEdits };

export type TfsEdits = ReadonlyMap<string, TfsEdit>;

/**
 * Encode changes to a log's root tuple as the value of one record. What the dictionary has is referred to by its number: were a
 * symbol written a second time, a kernel that adds to the log would count the dictionary short.
 * @throws RuntimeError GUEST_UNSUPPORTED for an empty text in version 4, which takes that as a removal
 * @see nanovms/nanos src/runtime/tuple.c (encode_eav, push_header)
 */
export function encodeRootEdits(log: TfsLog, edits: TfsEdits): Buffer {
  const encoder = new TfsEncoder(log);
  encoder.merge(log.root, edits);
  return encoder.bytes();
}

/** A number of seven bits a byte, the highest first. */
export function encodeVarint(value: number): readonly number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128))
    bytes.unshift(0x80 | (rest % 128));
  return bytes;
}

class TfsEncoder {
  readonly #version: TfsVersion;
  readonly #known: ReadonlyMap<string, number>;
  readonly #added = new Map<string, number>();
  readonly #pieces: Buffer[] = [];
  #dictionarySize: number;

  constructor(log: TfsLog) {
    this.#version = log.last.version;
    this.#known = log.symbolNumbers;
    this.#dictionarySize = log.dictionarySize;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  merge(tuple: TfsTuple, edits: TfsEdits): void {
    this.#header(false, valueTypes.tuple, edits.size);
    this.#pieces.push(Buffer.from(encodeVarint(tuple.number)));
    for (const [name, edit] of edits) {
      this.#symbol(name);
      this.#edit(edit, tuple.entries.get(name));
    }
  }

  #edit(edit: TfsEdit, old: TfsValue | undefined): void {
    switch (edit.kind) {
      case 'remove':
        this.#header(true, valueTypes.bytes, 0);
        break;
      case 'text':
        this.#text(edit.text);
        break;
      case 'list':
        this.#list(edit.texts);
        break;
      case 'replace':
        this.#newTuple(edit.entries);
        break;
      case 'merge':
        if (isTuple(old)) this.merge(old, edit.entries);
        else this.#newTuple(edit.entries);
        break;
      default:
        assertNever(edit);
    }
  }

  #newTuple(entries: TfsEdits): void {
    this.#header(true, valueTypes.tuple, entries.size);
    this.#dictionarySize++;
    for (const [name, edit] of entries) {
      this.#symbol(name);
      this.#edit(edit, undefined);
    }
  }

  /** Version 4 has no vectors, and a kernel of its time takes a tuple with the indices as names. */
  #list(texts: readonly string[]): void {
    if (this.#version === 4) {
      this.#newTuple(new Map(texts.map((text, index) => [`${index}`, { kind: 'text', text }])));
    } else {
      this.#header(true, valueTypes.vector, texts.length);
      this.#dictionarySize++;
      for (const text of texts) this.#text(text);
    }
  }

  #text(text: string): void {
    if (text === '' && this.#version === 4) {
      throw new RuntimeError(
        'GUEST_UNSUPPORTED',
        'an empty argument or value cannot be given to this Nanos image',
        {
          hint: 'its file system is of an old version; build it with a newer ops',
        },
      );
    }
    this.#header(true, this.#version === 4 ? valueTypes.bytes : valueTypes.string, text.length);
    this.#pieces.push(Buffer.from(text, 'latin1'));
  }

  #symbol(name: string): void {
    const number = this.#known.get(name) ?? this.#added.get(name);
    if (number === undefined) {
      this.#header(true, valueTypes.bytes, name.length);
      this.#pieces.push(Buffer.from(name, 'latin1'));
      this.#dictionarySize++;
      this.#added.set(name, this.#dictionarySize);
    } else {
      this.#header(false, valueTypes.bytes, number);
    }
  }

  #header(isImmediate: boolean, type: number, size: number): void {
    const sizeBits = this.#version === 4 ? 5 : 3;
    const flags = (isImmediate ? 0x80 : 0) | (type << (sizeBits + 1));
    const isContinued = size >= 1 << sizeBits;
    // The highest seven bits go into the first byte if they fit, beside the mark that more follows.
    const [high = 0, ...low] = encodeVarint(size);
    const isHighFitting = (high & 0x7f) < 1 << sizeBits;
    const first = flags | (isContinued ? 1 << sizeBits : 0) | (isHighFitting ? high & 0x7f : 0);
    this.#pieces.push(Buffer.of(first, ...(isHighFitting ? low : [high, ...low])));
  }
}
