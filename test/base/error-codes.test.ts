import { readFileSync } from 'node:fs';
import t from 'tap';
import { errorCodes } from '../../src/base/error-codes.ts';

const documented = readFileSync('docs/errors.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'));

t.test('errorCodes is the table of docs/errors.md, in the same order', async (t) => {
  const table = Object.entries(errorCodes).map(
    ([code, { exitStatus, help }]) => `| \`${code}\` | ${exitStatus} | ${help} |`,
  );
  t.strictSame(documented, table);
});

t.test('errorCodes has lower-case lines without a full stop, and exit statuses of a failure', async (t) => {
  for (const [code, { exitStatus, help }] of Object.entries(errorCodes)) {
    t.match(code, /^[A-Z]+(_[A-Z]+)*$/, code);
    t.match(help, /^(?:[a-z]|QEMU).*[^.]$/, code);
    t.ok(exitStatus >= 1 && exitStatus <= 125, `${code}: above 125 engines read a meaning of their own`);
  }
});
