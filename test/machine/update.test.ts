import t from 'tap';
import { changeSettings, describeChanges, portsText } from '../../src/machine/update.ts';
import { record, settings } from './support/records.ts';

t.test('changeSettings() adds, replaces and takes away variables', async (t) => {
  const before = { ...settings, env: ['A=1', 'B=2'] };
  t.strictSame(changeSettings(before, { env: ['B=3', 'A', 'C='] }).env, ['B=3', 'C=']);
  t.strictSame(changeSettings(before, { memoryMiB: 64 }), { ...before, memoryMiB: 64 });
});

t.test('describeChanges() says what holds at once and what later', async (t) => {
  const after = {
    ...record,
    settings: { ...settings, env: ['A=1'], restart: { ...settings.restart, policy: 'always' as const } },
    plan: { ...record.plan, memoryMiB: 16, ports: [] },
  };
  t.strictSame(describeChanges(record, after, { isRunning: true, isBalloonSet: true }), {
    now: ['memory: the guest is asked to give back all but 16MiB', 'restart policy: always'],
    atNextStart: ['memory: 16MiB', 'ports: none', 'environment'],
  });
  t.strictSame(describeChanges(record, after, { isRunning: false, isBalloonSet: false }).now, []);
});

t.test('portsText()', async (t) => {
  t.equal(
    portsText([
      { host: 8080, guest: 80, protocol: 'tcp' },
      { address: '127.0.0.1', host: 53, guest: 53, protocol: 'udp' },
    ]),
    '8080:80, 127.0.0.1:53:53/udp',
  );
});
