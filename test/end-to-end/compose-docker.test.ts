/** The examples whose services say `runtime: ucrun`, for docker-compose over a docker of the test's own. */
import t from 'tap';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { run } from './support/command.ts';
import {
  buildExampleImages,
  composeFile,
  exampleImages,
  noDockerCompose,
  serversBehindNginx,
} from './support/compose.ts';
import { type Docker, noDocker, startDocker } from './support/docker.ts';
import { outputOf } from './support/engine.ts';
import { inspect, logOf, waitForLog } from './support/engine-guests.ts';
import { publishSubscribe as example, publish } from './support/publish-subscribe.ts';

const skip = noDocker || noDockerCompose;

if (skip !== false) t.plan(0, skip);
else {
  let docker: Docker | undefined;
  t.before(async () => {
    await buildExampleImages();
    docker = await startDocker(3, await makeBrokenRuntime('broken-compose'));
    await docker.load(...Object.values(exampleImages));
  });
  t.after(() => docker?.stop());

  const started = () => {
    if (docker === undefined) throw new Error('docker was not started');
    return docker;
  };
  const compose = async (file: string, ...args: readonly string[]) => {
    const { status, stdout, stderr } = await run('docker-compose', ['-f', composeFile(file), ...args], {
      env: started().env,
      timeoutSeconds: 120,
    });
    if (status !== 0)
      throw new Error(`exit status ${status}: docker-compose ${args.join(' ')}\n${stdout}${stderr}`);
  };

  t.test('docker: three unikernels answer in turns behind a plain nginx', async (t) => {
    const file = 'behind-nginx/compose.yaml';
    t.teardown(() => compose(file, 'down'));
    await compose(file, 'up', '-d');
    const servers = await serversBehindNginx(started().address);
    t.equal(servers.size, 3, [...servers].join(', '));
    t.equal(await inspect(started(), 'behind-nginx_one_1', '{{.HostConfig.Runtime}}'), 'ucrun');
    t.not(await inspect(started(), 'behind-nginx_nginx_1', '{{.HostConfig.Runtime}}'), 'ucrun');
  });

  t.test("docker: redis, publisher and subscriber, on the host's network", async (t) => {
    const engine = started();
    const { publisher, subscriber } = example.containers;
    t.teardown(() => compose(example.hostFile, 'down'));
    await compose(example.hostFile, 'up', '-d');
    await waitForLog(engine, subscriber, /^subscriber: ready/m);
    const { payload, answer } = await publish(engine.address);
    t.match(answer, { published: payload.length, subscribers: 1, by: 'publisher' });
    t.match(await waitForLog(engine, subscriber, /received/), payload.toString());
    t.match(await logOf(engine, publisher), /publisher: published \d+ bytes/);
    await compose(example.hostFile, 'stop');
    for (const name of Object.values(example.containers))
      t.equal(await inspect(engine, name, '{{.State.Status}} {{.State.ExitCode}}'), 'exited 0', name);
    t.equal(await outputOf(engine, ['ps', '--quiet']), '');
  });

  t.test('docker: redis, publisher and subscriber, on a network of their own', async (t) => {
    const engine = started();
    t.teardown(() => compose(example.file, 'down'));
    await compose(example.file, 'up', '-d');
    await waitForLog(engine, example.containers.subscriber, /^subscriber: ready/m);
    const { payload } = await publish(engine.address);
    t.match(await waitForLog(engine, example.containers.subscriber, /received/), payload.toString());
  });

  t.test('docker: services wait until those that they depend on are healthy', async (t) => {
    const file = 'healthy-first.yaml';
    t.teardown(() => compose(file, 'down'));
    await compose(file, 'up', '-d');
    await waitForLog(started(), 'compose-examples_visitor_1', /"name":"hello"/);
    t.equal(await inspect(started(), 'compose-examples_hello_1', '{{.State.Health.Status}}'), 'healthy');
  });
}
