/** The rows of support/behaviour over a docker of the test's own. */
import t from 'tap';
import { buildStopSignalImages, rows, runRows } from './support/behaviour/index.ts';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { type Docker, noDocker, startDocker } from './support/docker.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';

if (noDocker !== false) t.plan(0, noDocker);
else {
  let docker: Docker | undefined;
  t.before(async () => {
    await buildTrackerImage();
    docker = await startDocker(1, await makeBrokenRuntime('broken-docker'));
    await docker.load(trackerImage, ...(await buildStopSignalImages(trackerImage)));
  });
  t.after(() => docker?.stop());

  runRows(rows, 'docker', () => {
    if (docker === undefined) throw new Error('docker was not started');
    return docker;
  });
}
