/** The table of docs/engines.md: podman as an ordinary user of this host has it. */
import t from 'tap';
import { commandLineColumn } from './support/engine-table/by-command-line.ts';
import { tryColumns } from './support/engine-table/rows.ts';
import { buildPlainImage, buildTrackerImage, plainImage, trackerImage } from './support/images.ts';
import { noRootless, startRootless } from './support/rootless.ts';

t.before(async () => {
  await buildTrackerImage();
  await buildPlainImage();
});

tryColumns(t, 18_171, {
  podmanRootless:
    noRootless ||
    (async () => {
      const user = await startRootless(10);
      await user.load(trackerImage, plainImage);
      return commandLineColumn(user, { refuses: { stats: /cgroup/ }, stop: () => user.stop() });
    }),
});
