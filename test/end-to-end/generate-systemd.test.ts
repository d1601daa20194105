/** The unit that podman generates for a container, in a system where systemd keeps it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { output } from './support/command.ts';
import { scratch, ucrun } from './support/environment.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { podmanOutput, removeContainers } from './support/podman.ts';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';
import { waitFor } from './support/wait.ts';

const unit = 'container-gs-hello.service';

t.test('a unit of podman generate systemd', { skip: systemdIsMissing, timeout: 240_000 }, async (t) => {
  await buildTrackerImage();
  const archive = join(scratch, 'generate-systemd.tar');
  await output('podman', ['save', '--output', archive, trackerImage]);
  // By this host's podman, with no more than a reader of the documentation would write.
  t.teardown(() => removeContainers('gs-hello'));
  const variables = ['--env', 'SERVICE_NAME=hello', '--env', 'PORT=8080'];
  await podmanOutput([`--runtime=${ucrun}`, 'create', '--name', 'gs-hello', ...variables, trackerImage]);
  const text = await podmanOutput(['generate', 'systemd', '--new', '--name', 'gs-hello']);
  t.match(text, `--runtime=${ucrun} run`, 'it calls podman as it was called');

  const system = await BootedSystem.boot(t, 'generate-systemd');
  const show = (property: string) =>
    system.output(['systemctl', 'show', '--value', '--property', property, unit]);
  /** Whether the container of that number, as each start makes a new one, has a guest that is up. */
  const ready = (restarts: number) =>
    waitFor(
      'the guest to be ready',
      async () => {
        if ((await show('NRestarts')) !== `${restarts}`) return false;
        return /^hello: ready/m.test((await system.run(['podman', 'logs', 'gs-hello'])).stdout);
      },
      60,
    );
  await output('cp', [archive, system.path('/var/tmp/image.tar')]);
  await system.output(['podman', 'load', '--quiet', '--input', '/var/tmp/image.tar']);
  await writeFile(system.path(`/etc/systemd/system/${unit}`), text.replace(ucrun, '/usr/bin/ucrun'));
  await system.output(['systemctl', 'daemon-reload']);

  await system.output(['systemctl', 'start', unit], { timeoutSeconds: 90 });
  t.equal(await system.output(['systemctl', 'is-active', unit]), 'active');
  await ready(0);
  const runtime = [
    'podman',
    'container',
    'inspect',
    '--format',
    '{{.OCIRuntime}} {{.State.Status}}',
    'gs-hello',
  ];
  t.match(await system.output(runtime), /ucrun running$/);

  // A failure, after which Restart=on-failure has another one started.
  await system.output(['podman', 'kill', '--signal', 'KILL', 'gs-hello']);
  await ready(1);

  await system.output(['systemctl', 'stop', unit], { timeoutSeconds: 90 });
  t.equal(await show('ActiveState'), 'inactive');
  t.equal(await show('Result'), 'success', 'the guest has gone down by itself');
  t.equal(await system.output(['podman', 'ps', '--all', '--quiet']), '');
});
