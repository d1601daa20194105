/** The table of docs/engines.md: each engine keeps the same promises, or the table says why it cannot. Those that run on this host as root. */
import t from 'tap';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { type Containerd, noContainerd, startContainerd } from './support/containerd.ts';
import { noDocker, startDocker } from './support/docker.ts';
import { podmanEngine } from './support/engine.ts';
import { commandLineColumn } from './support/engine-table/by-command-line.ts';
import { criColumn } from './support/engine-table/cri.ts';
import { ctrColumn } from './support/engine-table/ctr.ts';
import { tryColumns } from './support/engine-table/rows.ts';
import { buildPlainImage, buildTrackerImage, plainImage, trackerImage } from './support/images.ts';

let containerd: Promise<Containerd> | undefined;

/** One for both of its columns; the last one ends it. */
async function startedContainerd(): Promise<Containerd> {
  containerd ??= startContainerd(5).then(async (started) => {
    await started.load(trackerImage, plainImage);
    return started;
  });
  return containerd;
}

t.before(async () => {
  await buildTrackerImage();
  await buildPlainImage();
});

tryColumns(t, 18_170, {
  podman: async () => commandLineColumn(podmanEngine('')),
  docker:
    noDocker ||
    (async () => {
      const docker = await startDocker(6, await makeBrokenRuntime('broken-table'));
      await docker.load(trackerImage, plainImage);
      return commandLineColumn(docker, { stop: () => docker.stop() });
    }),
  ctr: noContainerd || (async () => ctrColumn(await startedContainerd())),
  cri: noContainerd || (async () => criColumn(await startedContainerd())),
});
