/**
 * Checks the texts of the repository for what belongs to one machine or one moment only.
 * Usage: node scripts/check-words.ts [FOLDER]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));
const skipped = new Set(['.git', '.tap', 'build', 'dist', 'node_modules']);

const rules: readonly { readonly word: RegExp; readonly where?: RegExp; readonly why: string }[] = [
  { word: /(?<![\w./~-])\/work\//, why: 'a path of one machine' },
  { word: /registry\.npmjs|"resolved": "/, why: 'the address of a package registry' },
  { word: /\b(?:TODO|FIXME)\b/, why: 'an unfinished thing' },
  { word: /\bonly: true\b|\bt\.only\(/, where: /\.test\.ts$/, why: 'a test that keeps others from running' },
];

let problems = 0;
for (const file of textFiles(root)) {
  const name = relative(root, file);
  if (name === 'scripts/check-words.ts') continue;
  const lines = readFileSync(file, 'utf8').split('\n');
  for (const { word, where, why } of rules) {
    if (where !== undefined && !where.test(name)) continue;
    for (const [index, line] of lines.entries()) {
      if (!word.test(line)) continue;
      console.error(`${name}:${index + 1}: ${why}: ${line.trim().slice(0, 100)}`);
      problems++;
    }
  }
}
process.exitCode = problems > 0 ? 1 : 0;

function* textFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    // .git is a file in a further work tree.
    if (skipped.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* textFiles(path);
    else if (entry.isFile() && !readFileSync(path).includes(0)) yield path;
  }
}
