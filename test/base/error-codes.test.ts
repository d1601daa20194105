import { readFileSync } from 'node:fs';
import t from 'tap';
import { errorCodes } from '../../src/base/error-codes.ts';

const documented = readFileSync('docs/errors.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'));

t.test('errorCodes is the table of docs/errors.md, in the same order', async (t) => {
  const table = Object.entries(errorCodes).map(([code, help]) => `| \`${code}\` | ${help} |`);
  t.strictSame(documented, table);
});

t.test('errorCodes has lower-case lines without a full stop', async (t) => {
  for (const [code, help] of Object.entries(errorCodes)) {
    t.match(code, /^[A-Z]+(_[A-Z]+)*$/, code);
    t.match(help, /^(?:[a-z]|QEMU).*[^.]$/, code);
  }
});
