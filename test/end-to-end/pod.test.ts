/** Containers of one pod share its address: two unikernels and a plain one, none in the others' way. */
import t from 'tap';
import { podmanEngine } from './support/engine.ts';
import { logOf } from './support/engine-guests.ts';
import { ucrun } from './support/environment.ts';
import { runArgs, waitForReady } from './support/guests.ts';
import { firstAnswer, get } from './support/http.ts';
import { buildPlainImage, buildTrackerImage, plainImage } from './support/images.ts';
import { podman, podmanOutput } from './support/podman.ts';

const pod = 'pod-of-three';
const engine = podmanEngine('');

t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
});

t.teardown(async () => {
  await podman(['pod', 'rm', '--force', '--time', '0', '--ignore', pod]);
});

/** Start a hello guest in the pod, at a port of its own. */
async function startMember(name: string, port: number): Promise<void> {
  const options = ['--detach', '--pod', pod, '--env', `PORT=${port}`];
  await podmanOutput(runArgs(name, { service: 'hello', options }));
  await waitForReady(name);
}

t.test(
  'two unikernels and a plain container in a pod are reached from outside, and reach each other',
  async (t) => {
    const ports = ['8190:8080', '8191:8081', '8192:9090'].flatMap((port) => ['--publish', port]);
    await podmanOutput(['pod', 'create', '--name', pod, ...ports]);
    await startMember('pod-one', 8080);
    await startMember('pod-two', 8081);
    const server = ['httpd', '-f', '-p', '9090', '-h', '/bin'];
    await podmanOutput([
      `--runtime=${ucrun}`,
      'run',
      '--detach',
      '--name',
      'pod-plain',
      '--pod',
      pod,
      plainImage,
      ...server,
    ]);

    for (const name of ['pod-one', 'pod-two'])
      t.match(
        await logOf(engine, name),
        'ucrun: network: user stack, as other containers are in this network namespace',
        'it says why it has no tap',
      );
    t.match(JSON.parse(await firstAnswer('http://127.0.0.1:8190/')), { cmdline: /\bport=8080\b/ });
    t.match(JSON.parse(await firstAnswer('http://127.0.0.1:8191/')), { cmdline: /\bport=8081\b/ });
    t.ok((await firstAnswer('http://127.0.0.1:8192/sh')).length > 0, 'the plain container kept its network');
    for (const port of [8080, 8081]) {
      const answer = await podmanOutput([
        'exec',
        'pod-plain',
        'wget',
        '-q',
        '-O',
        '-',
        `http://localhost:${port}/`,
      ]);
      t.match(JSON.parse(answer), { name: 'hello' }, 'and reaches the unikernels as localhost');
    }

    const { status, stderr } = await podman(
      runArgs('pod-three', { service: 'hello', options: ['--pod', pod, '--env', 'PORT=8081'] }),
    );
    t.not(status, 0);
    t.match(stderr, /port 8081\/tcp is taken by another process/);

    await podmanOutput(['rm', '--force', '--time', '0', 'pod-one']);
    t.match(await get('http://127.0.0.1:8191/'), /hello/, 'one that goes takes nothing from the others');
  },
);
