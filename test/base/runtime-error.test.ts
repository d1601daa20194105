import { statSync } from 'node:fs';
import t from 'tap';
import { isErrno } from '../../src/base/errno.ts';
import { RuntimeError } from '../../src/base/runtime-error.ts';

t.test('RuntimeError keeps its code, hint and cause', async (t) => {
  const cause = new Error('inner');
  const error = new RuntimeError('KERNEL_MISSING', 'kernel "/k" is missing', { hint: 'look', cause });
  t.equal(error.name, 'RuntimeError');
  t.equal(error.code, 'KERNEL_MISSING');
  t.equal(error.message, 'kernel "/k" is missing');
  t.equal(error.hint, 'look');
  t.equal(error.cause, cause);
});

t.test('RuntimeError without details has neither hint nor cause', async (t) => {
  const error = new RuntimeError('USAGE', 'wrong');
  t.equal(error.hint, undefined);
  t.notOk(Object.hasOwn(error, 'cause'), 'a printer that follows causes finds none');
});

t.test('isErrno() knows the failures of system calls by their code', async (t) => {
  const missing = thrownBy(() => statSync('/proc/0'));
  t.ok(isErrno(missing, 'ENOENT'));
  t.ok(isErrno(missing, 'EACCES', 'ENOENT'));
  t.notOk(isErrno(missing, 'EACCES'));
  t.notOk(isErrno(new Error('ENOENT'), 'ENOENT'), 'a message is no code');
  t.notOk(isErrno({ code: 'ENOENT' }, 'ENOENT'), 'no Error at all');
  t.notOk(isErrno(undefined, 'ENOENT'));
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
