import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { containersUsing } from '../../src/runtime/unikernel-use.ts';

t.test('containersUsing() finds the files of a unikernel in records and specifications', async (t) => {
  const folder = t.testdir({ registry: { hello: { kernel: 'k' }, hello2: {} } });
  const kernel = `${folder}/registry/hello/kernel`;
  const spec = (source: string) => ({ 'config.json': JSON.stringify({ mounts: [{ source }] }) });
  const state = t.testdir({
    registry: { hello: { kernel: 'k' }, hello2: {} },
    state: {
      'run-crun:one': spec(kernel),
      'run:crun:two': { 'record.json': JSON.stringify({ machine: { disks: [{ path: kernel }] } }) },
      'run-crun:broken': { 'record.json': `{"machine":"${kernel}"` },
      'run-crun:other': spec(`${folder}/registry/hello2/kernel`),
      'run-crun:none': {},
      'uid-7': 'x',
    },
  });
  symlinkSync(`${state}/registry/hello`, `${state}/registry/link`);
  const ids = (name: string) =>
    [...containersUsing(join(state, 'state'), join(state, 'registry', name))].sort();
  t.strictSame(ids('hello'), ['broken', 'one', 'two']);
  t.strictSame(ids('link'), ['broken', 'one', 'two']);
  t.strictSame(ids('hello2'), ['other']);
  t.strictSame(containersUsing(join(state, 'none'), join(state, 'registry/hello')), []);
});
