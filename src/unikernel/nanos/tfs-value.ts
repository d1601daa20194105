/**
 * What a Nanos file system's log says: tuples with names and values. The root tuple holds the manifest (program, arguments,
 * environment …) and, under `children`, the files.
 *
 * Names and texts are byte strings, in which each character is one byte (as `latin1` has it): they need not be UTF-8,
 * and two names must never become one.
 */
export type TfsValue = string | number | bigint | null | TfsTuple | TfsVector;

export interface TfsTuple {
  readonly kind: 'tuple';
  /** Its number in the log's dictionary, by which a later record refers to it. */
  readonly number: number;
  readonly entries: ReadonlyMap<string, TfsValue>;
}

export interface TfsVector {
  readonly kind: 'vector';
  readonly number: number;
  readonly items: readonly (TfsValue | undefined)[];
}

/** The byte string of a text's UTF-8. */
export function byteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The text whose UTF-8 a byte string is. */
export function textOfBytes(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}

export function isTuple(value: TfsValue | undefined): value is TfsTuple {
  return typeof value === 'object' && value !== null && value.kind === 'tuple';
}

export function isVector(value: TfsValue | undefined): value is TfsVector {
  return typeof value === 'object' && value !== null && value.kind === 'vector';
}

/** The tuple that `name` stands for in `tuple`, if there is one. */
export function childTuple(tuple: TfsTuple | undefined, name: string): TfsTuple | undefined {
  const value = tuple?.entries.get(name);
  return isTuple(value) ? value : undefined;
}

/** A number, not below 0, that is written as one or in decimal digits; both are in use. */
export function numberOf(value: TfsValue | undefined): number | undefined {
  if (typeof value === 'number') return value < 0 ? undefined : value;
  if (typeof value !== 'string' || !/^[0-9]{1,15}$/.test(value)) return undefined;
  return Number(value);
}
