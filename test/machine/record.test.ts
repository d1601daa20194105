import t from 'tap';
import { parseRecord } from '../../src/machine/record.ts';
import { record } from './support/records.ts';

t.test('parseRecord() reads what is written', async (t) => {
  const text = JSON.stringify(record);
  t.strictSame(JSON.stringify(parseRecord(text, 'F')), text);
});

t.test('parseRecord() takes a record of version 0 along', async (t) => {
  const { plan: _plan, manager: _manager, ...rest } = record;
  const old = { ...rest, version: 0, guest: 'linux' };
  const found = parseRecord(JSON.stringify(old), 'F');
  t.equal(found.version, 1);
  t.equal(found.manager, 'ucrun');
  t.equal(found.plan.guest, 'linux');
  t.equal(found.name, 'web');
});

t.test('parseRecord() says what is wrong', async (t) => {
  for (const [text, message] of [
    ['{', 'is not JSON'],
    ['[]', 'is no JSON object'],
    ['{}', 'has no version'],
    ['{"version":2}', 'has version 2; this ucrun knows up to 1'],
    ['{"version":-1}', 'has version -1, which there never was'],
    ['{"version":1,"name":"x"}', 'is not whole'],
  ] as const)
    t.throws(() => parseRecord(text, 'F'), {
      code: 'MACHINE_INVALID',
      message: `the machine's record "F" ${message}`,
    });
});
