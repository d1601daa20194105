/** The examples for podman-compose, run as their comments say. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import {
  buildExampleImages,
  composeArgs,
  composeFile,
  noPodmanCompose,
  podmanCompose,
  serversBehindNginx,
} from './support/compose.ts';
import { firstAnswer } from './support/http.ts';
import { inspect, podman, podmanOutput } from './support/podman.ts';
import { publishSubscribe as example, publish } from './support/publish-subscribe.ts';
import { waitFor } from './support/wait.ts';

const skip = noPodmanCompose;

if (skip === false) t.before(buildExampleImages);

/** Have a file's services started, and taken down when the test ends. */
async function up(t: Test, args: readonly string[]): Promise<void> {
  t.teardown(() => down(args));
  const { status, stdout, stderr } = await podmanCompose([...args, 'up', '-d']);
  t.equal(status, 0, stdout + stderr);
}

/** Take services down. @throws Error if that fails, or a container is left */
async function down(args: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await podmanCompose([...args, 'down']);
  const left = await podmanOutput(['ps', '--all', '--quiet', '--filter', 'label=io.podman.compose.project']);
  if (status !== 0 || left !== '')
    throw new Error(`status ${status}, and left are: ${left}\n${stdout}${stderr}`);
}

/** Wait until a container has printed something. @returns all of it */
function logWith(name: string, pattern: RegExp): Promise<string> {
  return waitFor(
    `${pattern} in the log of ${name}`,
    async () => {
      const { stdout } = await podman(['logs', name]);
      return pattern.test(stdout) && stdout;
    },
    90,
  );
}

t.test('three unikernels from one tracker image come up, answer, and go', { skip }, async (t) => {
  const args = composeArgs('three-hellos.yaml');
  await up(t, args);
  const answers = await Promise.all(
    [8081, 8082, 8083].map((port) => firstAnswer(`http://127.0.0.1:${port}/`)),
  );
  const addresses = answers.map((answer) => /\bip=([\d.]+)/.exec(answer)?.[1]);
  t.equal(new Set(addresses).size, 3, `each has an address of its own: ${addresses.join(', ')}`);
});

for (const [name, file, onHost] of [
  ['on a network of their own', example.file, false],
  ["on the host's network", example.hostFile, true],
] as const)
  t.test(`redis, publisher and subscriber, ${name}`, { skip }, async (t) => {
    const args = composeArgs(file, onHost);
    await up(t, args);
    await logWith(example.containers.subscriber, /^subscriber: ready/m);
    const address = onHost
      ? '10.0.2.15'
      : await inspect(
          example.containers.publisher,
          '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
        );
    const { payload, answer } = await publish('127.0.0.1');
    t.match(answer, {
      published: payload.length,
      subscribers: 1,
      by: 'publisher',
      guest: { address, system: /^Linux \d/ },
    });
    const log = await logWith(example.containers.subscriber, /received/);
    t.match(log, `received ${payload.length} bytes on "messages": ${payload.toString()}`);

    t.equal((await podmanCompose([...args, 'stop'])).status, 0);
    for (const container of Object.values(example.containers))
      t.equal(await inspect(container, '{{.State.Status}} {{.State.ExitCode}}'), 'exited 0', container);
  });

t.test(
  'up in the foreground shows the logs, and ends when another one takes it down',
  { skip },
  async (t) => {
    // Without -d podman-compose 1.0.3 does not hand on the arguments for "run".
    const call = ['--podman-args=--runtime=ucrun', '-f', composeFile(example.file), 'up'];
    const args = composeArgs(example.file);
    t.teardown(() => down(args));
    const foreground = spawn('podman-compose', call, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(foreground, 'exit');
    let shown = '';
    foreground.stdout.setEncoding('utf8').on('data', (chunk) => {
      shown += chunk;
    });
    const showing = (pattern: RegExp) => waitFor(`${pattern}`, () => pattern.test(shown), 90);
    await showing(/subscriber: ready/);
    await publish('127.0.0.1');
    await showing(/subscriber: received/);
    await down(args);
    await ended;
    t.match(shown, /Ready to accept connections/, 'redis was shown as well');
  },
);

t.test('plain containers and unikernels use each other by name', { skip }, async (t) => {
  await up(t, composeArgs('mixed.yaml'));
  t.match(await logWith('compose-examples_visitor_1', /"hello"/), /"name":"hello"/);
  t.match(await logWith('compose-examples_reader_1', /root:/), /^root:x:0:0:/m);
  t.equal(await podmanOutput(['wait', 'compose-examples_reader_1']), '0');
});

t.test('three unikernels answer in turns behind a plain nginx', { skip }, async (t) => {
  await up(t, composeArgs('behind-nginx/compose.yaml'));
  const servers = await serversBehindNginx('127.0.0.1');
  t.equal(servers.size, 3, [...servers].join(', '));
  t.match(await logWith('behind-nginx_nginx_1', /GET/), /"GET \/ HTTP\/1.1" 200/);
});
