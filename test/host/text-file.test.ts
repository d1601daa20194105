import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readForeignText, removeText, replaceText } from '../../src/host/text-file.ts';

const folder = t.testdir();
const at = (name: string) => join(folder, name);

t.test('readForeignText() says why a file cannot be read, and what helps', async (t) => {
  t.equal(readForeignText(at('nothing')), undefined);
  writeFileSync(at('text'), '\ufeffä\r\n');
  t.equal(readForeignText(at('text')), '\ufeffä\r\n', 'to the byte');
  mkdirSync(at('directory'));
  symlinkSync('loop', at('loop'));
  writeFileSync(at('latin'), Buffer.from([0xe4]));
  for (const [name, message, hint] of [
    ['directory', `cannot read ${at('directory')}: it is a directory`, /move the directory away/],
    ['loop', `cannot read ${at('loop')}: its link leads to itself`, /remove the link/],
    ['latin', `${at('latin')} is not a text in UTF-8`, /iconv/],
  ] as const)
    t.throws(() => readForeignText(at(name)), { code: 'HOST_FAILED', message, hint });
});

t.test('replaceText() keeps link and mode, and says which directories it made', async (t) => {
  writeFileSync(at('target'), 'old');
  chmodSync(at('target'), 0o640);
  symlinkSync('target', at('link'));
  t.strictSame(replaceText(at('link'), 'new'), []);
  t.ok(lstatSync(at('link')).isSymbolicLink());
  t.equal(readFileSync(at('target'), 'utf8'), 'new');
  t.equal(statSync(at('target')).mode & 0o777, 0o640);
  const made = replaceText(at('a/b/file'), 'x');
  t.strictSame(made, [at('a'), at('a/b')]);
  writeFileSync(at('a/others'), '');
  removeText(at('a/b/file'), made);
  t.strictSame(
    [lstatSync(at('a')).isDirectory(), statSync(at('a/b'), { throwIfNoEntry: false })],
    [true, undefined],
  );
});

t.test('replaceText() leaves nothing behind where it cannot write', async (t) => {
  mkdirSync(at('taken/within'), { recursive: true });
  t.throws(() => replaceText(at('taken'), 'x'), {
    code: 'HOST_FAILED',
    message: `cannot write ${at('taken')}: it is a directory`,
  });
  t.notOk(lstatSync(at(`taken.ucrun-${process.pid}`), { throwIfNoEntry: false }));
  t.throws(() => replaceText(at('text/below'), 'x'), {
    message: /^cannot write .*a directory above it is a file$/,
    hint: /move/,
  });
  symlinkSync('nowhere', at('dangling'));
  t.throws(() => replaceText(at('dangling'), 'x'), { message: / is a link to a file that is missing$/ });
});
