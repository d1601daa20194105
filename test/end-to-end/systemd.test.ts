/** The systems that tests boot are systems: with services, a journal, users, and what was written after a reboot. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import t from 'tap';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';

t.test('a booted system', { skip: systemdIsMissing, timeout: 240_000 }, async (t) => {
  const system = await BootedSystem.boot(t, 'sd-basics');
  t.equal(await system.output(['ps', '-o', 'comm=', '-p', '1']), 'systemd');
  t.equal(await system.output(['hostname']), 'sd-basics');
  t.match(await system.output(['ucrun', '--version']), /^ucrun /, 'ucrun is in it');
  t.match(await system.output(['ucrun', 'image', 'ls']), /^hello\b/m, 'and so is its registry');

  const { status, stdout } = await system.run(['sh', '-c', 'cat; exit 7'], { input: 'read\n' });
  t.equal(status, 7);
  t.equal(stdout, 'read\n');

  await system.output(['systemd-run', '--wait', '--unit=said', 'echo', 'it is said']);
  t.match(await system.journal('said.service'), /it is said/);

  await system.startUserManager();
  t.equal(await system.outputAsUser(['id', '--user', '--name']), 'user');
  t.match(await system.outputAsUser(['cat', '/proc/self/cgroup']), /user@1000\.service\/app\.slice/);
  const info = '{{.Host.CgroupManager}} {{.Host.CgroupsVersion}} {{.Host.Security.Rootless}}';
  t.equal(await system.output(['podman', 'info', '--format', info]), 'systemd v2 false');
  t.equal(await system.outputAsUser(['podman', 'info', '--format', info]), 'systemd v2 true');

  await writeFile(system.path('/etc/written'), 'kept\n');
  await writeFile(system.path('/run/written'), '');
  await system.reboot();
  t.equal(await readFile(system.path('/etc/written'), 'utf8'), 'kept\n', 'what was written stays');
  t.equal((await system.run(['ls', '/run/written'])).status, 2, 'but not in /run');
  t.equal(await system.outputAsUser(['systemctl', '--user', 'is-system-running']), 'running');
});

t.test('a system ends with its test', { skip: systemdIsMissing }, async (t) => {
  t.notOk((await readdir('/run/ucrun-env/cgroup2')).includes('sd-basics'), 'its cgroup is gone');
  t.notOk((await readdir('/run/ucrun-env/tmp')).includes('sd-basics'), 'so is its directory');
});
