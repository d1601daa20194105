import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { processStartTime } from '../../src/host/processes.ts';
import { MachineStore } from '../../src/machine/store.ts';
import { record } from './support/records.ts';

function storeIn(t: Test): MachineStore {
  const folder = t.testdir();
  return new MachineStore({
    scope: 'user',
    store: join(folder, 'store'),
    run: join(folder, 'run'),
    units: join(folder, 'units'),
  });
}

t.test('a machine is created, read, changed, listed and removed', async (t) => {
  const store = storeIn(t);
  t.strictSame(store.names(), []);
  await store.create('web', async () => record);
  await store.create('a', async () => ({ ...record, name: 'a' }));
  t.strictSame(store.names(), ['a', 'web']);
  t.equal(statSync(store.files('web').record).mode & 0o777, 0o600, 'it may hold secrets');
  await store.change('web', (before) => ({ ...before, created: 'later' }));
  t.equal(store.read('web').created, 'later');
  await store.remove('web');
  t.notOk(existsSync(store.files('web').directory));
  t.strictSame(store.names(), ['a']);
});

t.test('a name is taken once, and what a failed create has made is gone', async (t) => {
  const store = storeIn(t);
  await store.create('web', async () => record);
  await t.rejects(
    store.create('web', async () => record),
    { code: 'MACHINE_EXISTS' },
  );
  await t.rejects(
    store.create('other', async () => {
      throw new Error('no');
    }),
    { message: 'no' },
  );
  t.notOk(existsSync(store.files('other').directory));
  // A create that was killed leaves a directory without a record.
  mkdirSync(store.files('killed').directory);
  writeFileSync(join(store.files('killed').directory, 'x'), '');
  t.strictSame(store.names(), ['web']);
  await store.create('killed', async () => ({ ...record, name: 'killed' }));
  t.notOk(existsSync(join(store.files('killed').directory, 'x')));
});

t.test('names that are none are refused, and unknown ones are told from misspelled ones', async (t) => {
  const store = storeIn(t);
  await store.create('web', async () => record);
  for (const name of ['', 'Web', '../web', '.web', 'a/b', 'a'.repeat(65), 'a b', 'a\n'])
    t.throws(() => store.read(name), { code: 'MACHINE_INVALID' }, JSON.stringify(name));
  t.throws(() => store.read('wbe'), { code: 'MACHINE_UNKNOWN', hint: 'did you mean "web"?' });
});

t.test('a record that cannot be read keeps no other from being listed', async (t) => {
  const store = storeIn(t);
  await store.create('web', async () => record);
  await store.create('bad', async () => ({ ...record, name: 'bad' }));
  writeFileSync(store.files('bad').record, '{');
  t.match(store.readAll(), [{ name: 'bad', problem: { code: 'MACHINE_INVALID' } }, { name: 'web' }]);
});

t.test('changes at the same time come one after the other', async (t) => {
  const store = storeIn(t);
  await store.create('web', async () => ({ ...record, created: '' }));
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      store.change('web', (before) => ({ ...before, created: `${before.created}${index},` })),
    ),
  );
  t.equal(store.read('web').created.split(',').length, 21);
});

t.test('the lock of a process that has died is nobody’s', async (t) => {
  const store = storeIn(t);
  await store.create('web', async () => record);
  const own = processStartTime(process.pid);
  symlinkSync(`${process.pid} ${Number(own) + 1}`, store.files('web').lock);
  await store.change('web', (before) => before);
  t.notOk(existsSync(store.files('web').lock));
});
