/** The table of docs/engines.md: podman 5 with systemd as its cgroup manager, by root and by an ordinary user. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { output } from './support/command.ts';
import { bootedColumn } from './support/engine-table/booted.ts';
import { tryColumns } from './support/engine-table/rows.ts';
import { scratch } from './support/environment.ts';
import { buildPlainImage, buildTrackerImage, plainImage, trackerImage } from './support/images.ts';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';

let system: BootedSystem | undefined;

t.before(async () => {
  if (systemdIsMissing) return;
  await buildTrackerImage();
  await buildPlainImage();
  const archive = join(scratch, 'engine-table-systemd.tar');
  await output('podman', ['save', '--multi-image-archive', '--output', archive, trackerImage, plainImage]);
  system = await BootedSystem.boot(t, 'engine-table');
  await system.startUserManager();
  await copyFile(archive, system.path('/var/tmp/images.tar'));
});

const column = (user: 'root' | 'user') => async () => {
  if (system === undefined) throw new Error('it was not booted');
  return bootedColumn(system, user, '/var/tmp/images.tar');
};

tryColumns(t, 8080, {
  podmanSystemd: systemdIsMissing || column('root'),
  podmanSystemdRootless: systemdIsMissing || column('user'),
});
