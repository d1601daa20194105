import { execFileSync } from 'node:child_process';
import t from 'tap';
import { shellQuote } from '../../src/unikernel/shell-quote.ts';
import { Random } from './support/random.ts';
import { shells } from './support/shells.ts';

/** What a shell makes of these texts once they are quoted: each of them, whole. */
function readBack(shell: readonly string[], texts: readonly string[]): readonly string[] {
  const [program = '', ...args] = shell;
  const script = `printf '%s\\0' ${texts.map(shellQuote).join(' ')}`;
  const printed = execFileSync(program, [...args, '-c', script], {
    encoding: 'utf8',
    env: {},
    // bash takes a socket for a remote shell's, and reads its start files.
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return printed.split('\0').slice(0, -1);
}

const awkward = [
  '',
  ' ',
  "'",
  "''",
  "a'b'c",
  "'; rm -rf /; '",
  '$(id) `id` $HOME $1 $',
  '\\',
  "\\'",
  '"',
  '\n',
  '\n\n',
  'a\nb\n',
  '*',
  '~',
  '!!',
  '#x',
  '-n',
  '%s%n',
  'é統💾',
  '\x01\x7f\x1b[0m',
  '\r\n\t',
  "x'\\''y",
];

for (const [name, shell] of shells()) {
  t.test(`shellQuote() is read back by ${name} as it was`, async (t) => {
    t.strictSame(readBack(shell, awkward), awkward);
    const random = new Random(3);
    const characters = Array.from({ length: 127 }, (_, code) => String.fromCharCode(code + 1));
    const special = [...'\'"\\$`!*?[]{}()<>|&;# \t\n~=%-', 'é', '統', '💾'];
    for (let round = 0; round < 10; round++) {
      const texts = Array.from({ length: 200 }, () =>
        random.text(random.below(2) === 0 ? characters : special, 30),
      );
      t.strictSame(readBack(shell, texts), texts, '200 random texts');
    }
  });
}

t.test('shellQuote() refuses a zero byte, which no argument can hold', async (t) => {
  t.throws(() => shellQuote('a\0b'), { name: 'Error', message: /zero byte/ });
});
