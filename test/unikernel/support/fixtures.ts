import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSpec, type Spec } from '../../../src/unikernel/spec.ts';

const folder = join(import.meta.dirname, '../../fixtures');

/** The text of a file below test/fixtures. */
export function fixture(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

/** The specification in a captured bundle, such as `podman-bridge`. */
export function capturedSpec(bundle: string): Spec {
  return parseSpec(fixture(`bundles/${bundle}.json`));
}

/** A specification with these fields beside the one that every specification has. */
export function specWith(fields: object): Spec {
  return parseSpec(JSON.stringify({ ociVersion: '1.0.2', ...fields }));
}

/** The same value, which throws when something tries to change it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
