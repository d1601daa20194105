/** The networks of a docker of the test's own. */
import t from 'tap';
import { networkRows } from './support/behaviour/network.ts';
import { runRows } from './support/behaviour/row.ts';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { type Docker, noDocker, startDocker } from './support/docker.ts';
import { buildPlainImage, buildTrackerImage, plainImage, trackerImage } from './support/images.ts';
import { type Outside, serveOutside } from './support/outside.ts';

if (noDocker !== false) t.plan(0, noDocker);
else {
  let docker: Docker | undefined;
  let outside: Outside | undefined;
  t.before(async () => {
    await buildPlainImage();
    await buildTrackerImage();
    outside = await serveOutside();
    docker = await startDocker(4, await makeBrokenRuntime('broken-network'));
    await docker.load(plainImage, trackerImage);
  });
  t.after(async () => {
    await docker?.stop();
    await outside?.stop();
  });
  const theOutside = () => {
    if (outside === undefined) throw new Error('no server was started');
    return outside;
  };
  runRows(networkRows(theOutside), 'docker', () => {
    if (docker === undefined) throw new Error('docker was not started');
    return docker;
  });
}
