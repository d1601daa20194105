import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { errorCodes } from '../../src/base/error-codes.ts';

const source = join(import.meta.dirname, '../../src');

/** A source file without its comments; what is left are code and the texts in it. */
interface SourceFile {
  readonly name: string;
  readonly code: string;
}

const files: readonly SourceFile[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, code: withoutComments(readFileSync(join(source, name), 'utf8')) }));

/** Formatted sources: a text or a regular expression is passed over as a whole, since "//" may be in it. */
function withoutComments(text: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[(=,:&|!?] ?)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//g;
  return text.replaceAll(token, (found) => (found.startsWith('//') || found.startsWith('/*') ? '' : found));
}

/**
 * Words in a message by which engines decide what happened.
 * @see containers/podman libpod/oci_util.go, containerd cmd/containerd-shim-runc-v2, cri-o internal/oci/runtime_oci.go
 */
const reserved =
  /permission denied|operation not permitted|executable file not found|no such file or directory|open executable|does not exist|container not running|no such process|process already finished|invalid process/i;

/** The messages that may hold such a word, because it is the truth: file and text. */
const allowed: readonly (readonly [file: string, text: string])[] = [];

t.test('the comments are what withoutComments() leaves out', async (t) => {
  t.equal(withoutComments("a(); // b 'c'\n/* d */ '// e' /[/]'x/"), "a(); \n '// e' /[/]'x/");
  t.equal(withoutComments('x(/a\\/\\/b/, `//$1`); // y'), 'x(/a\\/\\/b/, `//$1`); ');
});

t.test('no text of ours holds a word that engines react to', async (t) => {
  const found = files.flatMap(({ name, code }) =>
    code.split('\n').flatMap((line) => {
      const word = reserved.exec(line)?.[0];
      return word === undefined || allowed.some(([file, text]) => file === name && line.includes(text))
        ? []
        : [`${name}: ${word}`];
    }),
  );
  t.strictSame(found, []);
  t.ok(reserved.test('open /k: No such file or directory'), 'the search itself works');
  for (const [file, text] of allowed)
    t.ok(
      files.some(({ name, code }) => name === file && code.includes(text)),
      `${file}: ${text}`,
    );
});

/** The first words of each `new RuntimeError(…)`: its code and its message, as written. */
const thrown = files.flatMap(({ name, code }) =>
  [
    ...code.matchAll(
      /new RuntimeError\(\s*(?:'([A-Z_]+)',\s*('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)?)?/g,
    ),
  ].map(([, errorCode, literal]) => ({ name, errorCode, message: literal?.slice(1, -1) })),
);

t.test('every message begins in lower case or with a name, and has no full stop', async (t) => {
  const messages = thrown.flatMap(({ name, message }) => (message === undefined ? [] : [{ name, message }]));
  t.ok(messages.length > 30, `${messages.length} messages`);
  for (const { name, message } of messages) {
    t.match(message, /^(?:[a-z"]|\$\{|QEMU |KVM |UCRUN_CONFIG |\d)/, `${name}: ${message}`);
    t.notMatch(message, /[.!]$|\n/, `${name}: ${message}`);
  }
});

t.test('every code is thrown somewhere', async (t) => {
  const used = new Set(thrown.map(({ errorCode }) => errorCode));
  const never = Object.keys(errorCodes).filter((code) => !used.has(code));
  t.strictSame(never, []);
});
