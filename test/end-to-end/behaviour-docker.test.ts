/** The rows of support/behaviour over a docker of the test's own. */
import t from 'tap';
import { buildStopSignalImages, rows, runRows } from './support/behaviour/index.ts';
import { hello } from './support/behaviour/row.ts';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { type Docker, noDocker, startDocker } from './support/docker.ts';
import { outputOf } from './support/engine.ts';
import { startUnready } from './support/engine-guests.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { waitFor } from './support/wait.ts';

if (noDocker !== false) t.plan(0, noDocker);
else {
  let docker: Docker | undefined;
  t.before(async () => {
    await buildTrackerImage();
    docker = await startDocker(1, await makeBrokenRuntime('broken-docker'));
    await docker.load(trackerImage, ...(await buildStopSignalImages(trackerImage)));
  });
  t.after(() => docker?.stop());

  const started = () => {
    if (docker === undefined) throw new Error('docker was not started');
    return docker;
  };
  runRows(rows, 'docker', started);

  t.test('docker: ucrun answers health checks, and says in their log why another is refused', async (t) => {
    const engine = started();
    const cases = [
      ['bv-healthy', 'ucrun-probe http :8080/', 'healthy', /answers 200/],
      ['bv-unhealthy', 'curl -f http://localhost:8080/', 'unhealthy', /it is a unikernel.*ucrun-probe/],
    ] as const;
    for (const [name, command] of cases) {
      const options = ['--health-cmd', command, '--health-interval', '1s', '--health-retries', '1'];
      await startUnready(t, engine, name, { ...hello, options });
    }
    for (const [name, , status, log] of cases) {
      const template = '{{.State.Health.Status}} {{json .State.Health.Log}}';
      const shown = await waitFor(`${name} to be ${status}`, async () => {
        const text = await outputOf(engine, ['inspect', '--format', template, name]);
        return text.startsWith(`${status} `) ? text : undefined;
      });
      t.match(shown, log);
    }
  });
}
