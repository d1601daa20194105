/**
 * Checks what the compiler cannot: which folder may import which, that no imports go in a circle, and that
 * nothing but our own code and Node's modules is loaded at start-up.
 * Usage: node scripts/check-imports.ts [FOLDER], where FOLDER stands for src
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';

/** Whose code a folder may use. Anything in `types` may be named in `import type` only. */
const allowed: Readonly<Record<string, { code: readonly string[]; types: readonly string[] }>> = {
  cli: { code: ['runtime', 'machine', 'forward', 'setup', 'unikernel', 'base', 'host'], types: [] },
  runtime: { code: ['forward', 'unikernel', 'base', 'host'], types: [] },
  machine: { code: ['forward', 'unikernel', 'base', 'host'], types: [] },
  forward: { code: ['base', 'host'], types: [] },
  host: { code: ['unikernel', 'base'], types: [] },
  unikernel: { code: ['base'], types: ['host'] },
  setup: { code: ['base'], types: [] },
  base: { code: [], types: [] },
};

interface Import {
  readonly target: string;
  readonly line: number;
  readonly isType: boolean;
  readonly isDeferred: boolean;
}

const source = resolve(process.argv[2] ?? join(import.meta.dirname, '../src'));
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const problems = [...wrongDirections(), ...circles(), ...librariesAtStart()];
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

/** The imports of a file; those of our own files as paths below src. Sources are formatted, so a pattern will do. */
function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(source, file), 'utf8');
  const found: Import[] = [];
  const patterns = [
    /^(?:import|export)\b(?: (type)\b)?(?:[^'"`;()=]*?\bfrom)? '([^'\n]+)'/gm,
    /\bimport\(()'([^'\n]+)'\)/g,
  ];
  for (const [index, pattern] of patterns.entries()) {
    for (const match of text.matchAll(pattern)) {
      const [, type, name = ''] = match;
      const target = name.startsWith('.') ? normalize(join(dirname(file), name)) : name;
      const line = text.slice(0, match.index).split('\n').length;
      found.push({ target, line, isType: type === 'type', isDeferred: index === 1 });
    }
  }
  return found;
}

function* wrongDirections(): Generator<string> {
  for (const [file, list] of imports) {
    const from = folderOf(file);
    const rule = allowed[from];
    if (rule === undefined) {
      yield `src/${file}: "${from}" is not one of the folders (${Object.keys(allowed).join(', ')})`;
      continue;
    }
    for (const { target, line, isType } of list) {
      if (!isOurs(target)) continue;
      const to = folderOf(target);
      if (to === from || rule.code.includes(to) || (isType && rule.types.includes(to))) continue;
      const way = rule.types.includes(to) ? 'types only from' : 'nothing from';
      yield `src/${file}:${line}: ${from} may import ${way} ${to}`;
    }
  }
}

/** Circles among imports of code. Those of types vanish before anything runs. */
function* circles(): Generator<string> {
  const done = new Set<string>();
  const path: string[] = [];
  function* visit(file: string): Generator<string> {
    if (path.includes(file))
      yield `imports in a circle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`;
    if (done.has(file)) return;
    done.add(file);
    path.push(file);
    for (const { target, isType } of imports.get(file) ?? [])
      if (!isType && isOurs(target)) yield* visit(target);
    path.pop();
  }
  for (const file of files) yield* visit(file);
}

/** Start-up time is the product: a library belongs behind an `import()` in the command that needs it. */
function* librariesAtStart(): Generator<string> {
  const seen = new Set(['cli/main.ts']);
  for (const file of seen) {
    for (const { target, line, isType, isDeferred } of imports.get(file) ?? []) {
      if (isType || isDeferred) continue;
      if (isOurs(target)) seen.add(target);
      else if (!target.startsWith('node:'))
        yield `src/${file}:${line}: ${target} would be loaded at every start`;
    }
  }
}

function isOurs(target: string): boolean {
  return target.endsWith('.ts');
}

function folderOf(path: string): string {
  return path.split('/')[0] ?? '';
}
