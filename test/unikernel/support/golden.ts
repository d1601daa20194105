import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';

const goldenFolder = join(import.meta.dirname, '../../golden');
const isRewriting = process.env.TAP_SNAPSHOT === '1';

/** Compares a text with the file of this name below test/golden. TAP_SNAPSHOT=1 rewrites the file first. */
export function matchesGolden(t: Test, name: string, text: string): void {
  const path = join(goldenFolder, name);
  if (isRewriting) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  t.equal(text, readFileSync(path, 'utf8'), `is as in test/golden/${name}`);
}

/** The names of the golden files in a folder, so that one that nothing produces any more is noticed. */
export function goldenFiles(folder: string): readonly string[] {
  return readdirSync(join(goldenFolder, folder)).sort();
}
