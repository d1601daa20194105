/** deploy/podman/hello.container, run by Quadlet as its comments say. */
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { repository } from './support/environment.ts';
import { leftovers, nothingLeft } from './support/leftovers.ts';
import { BootedSystem, ordinaryUser, systemdIsMissing } from './support/systemd-tree.ts';
import { waitFor } from './support/wait.ts';

const file = join(repository, 'deploy/podman/hello.container');
const unit = 'hello.service';

/** The commands of the file's comments, without sudo. */
async function commands(): Promise<readonly (readonly string[])[]> {
  const lines = [...(await readFile(file, 'utf8')).matchAll(/^# {3}(?:sudo )?(.*)$/gm)];
  return lines.map(([, line = '']) => line.split(' '));
}

t.test('a unikernel in a .container file', { skip: systemdIsMissing, timeout: 280_000 }, async (t) => {
  const system = await BootedSystem.boot(t, 'quadlet');
  // What "ucrun setup podman" is to write.
  await system.output(['sed', '-i', '/^\\[engine.runtimes\\]/,$d', '/etc/containers/containers.conf']);
  await mkdir(system.path('/root/deploy/podman'), { recursive: true });
  await mkdir(system.path('/etc/containers/systemd'), { recursive: true });
  await copyFile(file, system.path('/root/deploy/podman/hello.container'));
  const show = (property: string) =>
    system.output(['systemctl', 'show', '--value', '--property', property, unit]);
  const answer = () =>
    waitFor(
      'an answer on the published port',
      () => system.output(['curl', '--silent', '--max-time', '5', 'http://127.0.0.1:8080/']),
      90,
    );
  /** The lines of the guest's console, which is the unit's journal. */
  const logged = (pattern: RegExp, times: number) =>
    waitFor(
      `${pattern} in the journal, ${times} times`,
      async () => [...(await system.journal(unit)).matchAll(pattern)].length === times,
      60,
    );
  const monitor = () => system.output(['pgrep', 'qemu-system']);

  const told = await commands();
  t.strictSame(
    told.map(([program, verb]) => `${program} ${verb}`),
    [
      'ucrun setup',
      'ucrun image',
      'cp deploy/podman/hello.container',
      'systemctl daemon-reload',
      'systemctl start',
      'curl http://127.0.0.1:8080/',
      'journalctl --unit',
    ],
  );
  for (const words of told.slice(0, -2))
    await system.output(['env', '--chdir=/root', ...words], { timeoutSeconds: 120 });
  t.equal(await show('ActiveState'), 'active');
  t.equal(await show('UnitFileState'), 'generated');
  t.match(JSON.parse(await answer()), { name: 'hello' });
  await logged(/hello: ready/g, 1);
  const runtime = ['podman', 'container', 'inspect', '--format', '{{.OCIRuntime}}', 'hello'];
  t.equal(await system.output(runtime), 'ucrun');
  t.match(
    await system.output(['cat', `/proc/${await monitor()}/cgroup`]),
    `/${unit}/`,
    'QEMU is in the unit',
  );

  // A failure, after which Restart=on-failure has it started again.
  const killed = await monitor();
  await system.output(['kill', '-KILL', killed]);
  await waitFor('another start', async () => (await show('NRestarts')) === '1', 60);
  await logged(/hello: ready/g, 2);
  t.match(JSON.parse(await answer()), { name: 'hello' });
  t.not(await monitor(), killed);

  const id = await system.output(['podman', 'container', 'inspect', '--format', '{{.Id}}', 'hello']);
  const traces = { id, root: system.path('/'), networkNamespace: undefined };
  t.ok(leftovers(traces).length > 3, 'what is looked for at the end is there now');
  await system.output(['systemctl', 'stop', unit], { timeoutSeconds: 90 });
  await logged(/hello: power button/g, 1);
  t.strictSame(
    [await show('ActiveState'), await show('Result'), await show('ExecMainStatus'), await show('NRestarts')],
    ['inactive', 'success', '0', '1'],
    'it has gone down by itself, and stays down',
  );
  t.equal(await system.output(['podman', 'ps', '--all', '--quiet']), '');
  t.equal((await system.run(['pgrep', '--list-full', 'qemu-system|conmon'])).stdout, '');
  await nothingLeft(traces);

  await system.reboot();
  t.equal(await show('ActiveState'), 'active', 'it is started at boot');
  t.match(JSON.parse(await answer()), { name: 'hello' });
});

t.test('the same for an ordinary user', { skip: systemdIsMissing, timeout: 280_000 }, async (t) => {
  const system = await BootedSystem.boot(t, 'quadlet-user');
  await system.output(['sed', '-i', '/^\\[engine.runtimes\\]/,$d', '/etc/containers/containers.conf']);
  // Else podman waits 90 seconds for it, at each start.
  await system.output(['systemctl', 'add-wants', 'multi-user.target', 'network-online.target']);
  await system.output(['systemctl', 'start', 'network-online.target']);
  await system.startUserManager();
  const folder = `${ordinaryUser.home}/.config/containers/systemd`;
  await system.outputAsUser(['mkdir', '--parents', folder]);
  await copyFile(file, system.path(`${folder}/hello.container`));
  const answer = () =>
    waitFor(
      'an answer on the published port',
      () => system.output(['curl', '--silent', '--max-time', '5', 'http://127.0.0.1:8080/']),
      90,
    );
  const show = (property: string) =>
    system.outputAsUser(['systemctl', '--user', 'show', '--value', '--property', property, unit]);

  await system.outputAsUser(['ucrun', 'setup', 'podman']);
  await system.outputAsUser(['ucrun', 'image', 'pack', 'hello', 'localhost/hello', '--load']);
  await system.outputAsUser(['systemctl', '--user', 'daemon-reload']);
  await system.outputAsUser(['systemctl', '--user', 'start', 'hello'], { timeoutSeconds: 120 });
  t.match(JSON.parse(await answer()), { name: 'hello' });
  const qemu = await system.output(['pgrep', 'qemu-system']);
  t.match(await system.output(['cat', `/proc/${qemu}/cgroup`]), `/app.slice/${unit}/`);
  await waitFor("its console in the user's journal", async () =>
    (await system.outputAsUser(['journalctl', '--user', '--no-pager', '--unit', unit])).includes(
      'hello: ready',
    ),
  );

  await system.output(['kill', '-KILL', qemu]);
  await waitFor('another start', async () => (await show('NRestarts')) === '1', 60);
  t.match(JSON.parse(await answer()), { name: 'hello' });

  await system.outputAsUser(['systemctl', '--user', 'stop', 'hello'], { timeoutSeconds: 90 });
  t.strictSame(
    [await show('ActiveState'), await show('Result'), await show('ExecMainStatus')],
    ['inactive', 'success', '0'],
  );
  await waitFor('its processes to be gone', async () => {
    return (await system.run(['pgrep', 'qemu-system|pasta|conmon'])).stdout === '';
  });

  await system.reboot();
  t.match(JSON.parse(await answer()), { name: 'hello' }, 'it is started with the user manager');
});
