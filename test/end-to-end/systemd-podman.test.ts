/** podman 5 with systemd as its cgroup manager: each unikernel container is a scope of systemd's. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { output } from './support/command.ts';
import { scratch } from './support/environment.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';
import { waitFor } from './support/wait.ts';

t.test('a unikernel container in systemd', { skip: systemdIsMissing, timeout: 280_000 }, async (t) => {
  await buildTrackerImage();
  const archive = join(scratch, 'sp-tracker.tar');
  await output('podman', ['save', '--quiet', '--output', archive, trackerImage]);
  const system = await BootedSystem.boot(t, 'sp-system');
  await copyFile(archive, system.path('/root/tracker.tar'));
  const podman = (...args: readonly string[]) => system.output(['podman', '--runtime=ucrun', ...args]);
  await podman('load', '--quiet', '--input', '/root/tracker.tar');
  const id = await podman('run', '--detach', '--name=web', '--env=SERVICE_NAME=hello', trackerImage);
  const unit = `libpod-${id}.scope`;
  const show = (property: string) =>
    system.output(['systemctl', 'show', '--value', `--property=${property}`, unit]);

  const address = await podman('inspect', '--format={{.NetworkSettings.Networks.podman.IPAddress}}', 'web');
  const answer = await waitFor(
    'the guest to answer',
    () => system.output(['curl', '--silent', '--max-time', '5', `http://${address}:8080/`]),
    90,
  );
  t.match(JSON.parse(answer), { name: 'hello' }, 'it answers at its address');

  const qemu = await system.output(['pgrep', '--exact', 'qemu-system-x86', '--newest']);
  t.match(
    await system.output(['cat', `/proc/${qemu}/cgroup`]),
    `/machine.slice/${unit}/`,
    'QEMU is in its scope',
  );
  await waitFor('the description', async () => (await show('Description')) === 'unikernel hello');

  t.equal(await show('KillSignal'), '30', 'it is stopped by PWR, which QEMU does not hear');
  await system.output(['systemctl', 'stop', unit]);
  t.equal(
    await podman('wait', 'web'),
    '0',
    'to stop the scope presses the power button: the status is the guest’s',
  );
  t.match(await podman('logs', 'web'), /power button/);
  t.equal(await podman('inspect', '--format={{.State.Status}} {{.State.OOMKilled}}', 'web'), 'exited false');
  t.not((await system.run(['pgrep', 'qemu-system'])).status, 0, 'no QEMU is left');

  await podman('start', 'web');
  await waitFor(
    'the guest to be up again',
    async () => (await podman('logs', 'web')).split(': ready').length > 2,
    90,
  );
  await podman('stop', '--time=30', 'web');
  t.equal(await podman('inspect', '--format={{.State.ExitCode}}', 'web'), '0', 'and so does podman stop');

  await podman('start', 'web');
  await podman('rm', '--force', '--time=20', 'web');
  t.equal(await show('LoadState'), 'not-found', 'nothing of the scope is left');
  const files = ['find', '/run/systemd/transient', '/run/systemd/system.control', '-name', `*${id}*`];
  t.equal((await system.run(files)).stdout, '');
});
