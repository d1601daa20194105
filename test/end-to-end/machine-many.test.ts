/** As many machines as a host may well have, kept by systemd. */
import t from 'tap';
import { Machines } from './support/machine/subject.ts';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';

const names = Array.from({ length: 50 }, (_, index) => `many-${index + 1}`);

t.test('50 machines in a booted systemd', { skip: systemdIsMissing, timeout: 280_000 }, async (t) => {
  const system = await BootedSystem.boot(t, 'mm-system');
  const machines = new Machines(
    { options: ['--systemd'], manager: 'systemd', run: (args, options) => system.run(args, options) },
    'ucrun',
  );
  const qemus = async () =>
    (await system.run(['pgrep', '--exact', 'qemu-system-x86'])).stdout.split('\n').filter(Boolean);

  for (const name of names) await machines.create(name, ['--memory', '16MiB', '--network', 'none', 'hello']);
  t.strictSame(new Set((await machines.do('start', '--all')).split('\n')), new Set(names), 'all are started');
  t.equal((await qemus()).length, names.length, 'each is a QEMU');

  const listed = JSON.parse(await machines.do('ps', '--format', 'json')) as readonly Record<
    string,
    unknown
  >[];
  t.strictSame(new Set(listed.map(({ name }) => name)), new Set(names), 'all are listed');
  const measure = 'TIMEFORMAT=%3R; for _ in 1 2 3 4 5; do time ucrun machine ps >/dev/null; done';
  const { stderr } = await system.run(['bash', '-c', measure]);
  const [, , median] = stderr.trim().split('\n').sort();
  t.comment(`ps of 50 running machines: ${median} s, the median of 5`);

  t.strictSame(new Set((await machines.do('stop', '--all')).split('\n')), new Set(names), 'all are stopped');
  const statuses = JSON.parse(await machines.do('inspect', ...names)) as readonly object[];
  for (const machine of statuses) t.match(machine, { status: 'exited', exitStatus: 0 });
  t.strictSame(new Set((await machines.do('rm', '--all')).split('\n')), new Set(names), 'all are removed');

  t.strictSame(await qemus(), [], 'no QEMU is left');
  t.equal(await machines.do('ps', '--all', '--quiet'), '', 'no machine');
  t.equal(await system.output(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'ucrun*']), '');
  const places = ['/etc/systemd/system', '/run/systemd', '/var/lib/ucrun', '/run/ucrun', '/var/lib/private'];
  const { stdout } = await system.run(['find', ...places, '-name', '*many-*']);
  t.equal(stdout, '', 'no file');
});
