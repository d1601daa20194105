/** The verbs of machines that systemd keeps: the same table as for those that it does not. */
import t from 'tap';
import { type MachineHost, Machines } from './support/machine/subject.ts';
import { verbRows } from './support/machine/verbs.ts';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';

t.test('the verbs in systemd', { skip: systemdIsMissing, timeout: 280_000 }, async (t) => {
  const system = await BootedSystem.boot(t, 'ms-verbs');
  const host: MachineHost = {
    options: ['--systemd'],
    manager: 'systemd',
    run: (args, options) => system.run(args, options),
    path: (file) => system.path(file),
  };
  const machines = new Machines(host, 'ucrun');
  for (const { name, what, check } of verbRows) {
    await t.test(what, async (t) => {
      const machine = `v-${name}`;
      t.teardown(() => machines.remove(machine, `${machine}-2`));
      await check(t, machines, machine);
    });
  }
  const { stdout } = await system.run(['sh', '-c', 'ls /etc/systemd/system | grep ^ucrun-']);
  t.equal(stdout, '', 'no unit is left');
  t.match(await system.output(['systemctl', 'list-units', '--all', 'ucrun-*']), /^0 loaded units/m);
  const { stdout: kept } = await system.run(['ls', '/var/lib/ucrun/machines', '/run/ucrun/machines']);
  t.notMatch(kept, /v-/, 'nor anything else');
});
