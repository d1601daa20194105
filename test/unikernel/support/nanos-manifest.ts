import {
  isTuple,
  type TfsTuple,
  type TfsValue,
  textOfBytes,
} from '../../../src/unikernel/nanos/tfs-value.ts';

export interface Manifest {
  readonly [name: string]: unknown;
}

/** A tuple as a plain object, with texts for its byte strings. */
export function manifestOf(tuple: TfsTuple): Manifest {
  return Object.fromEntries([...tuple.entries].map(([name, value]) => [textOfBytes(name), plain(value)]));
}

function plain(value: TfsValue | undefined): unknown {
  if (typeof value === 'string') return textOfBytes(value);
  if (typeof value !== 'object' || value === null) return value;
  return isTuple(value) ? manifestOf(value) : value.items.map(plain);
}
