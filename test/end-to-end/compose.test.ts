/** The examples for podman-compose, run as their comments say. */
import { join } from 'node:path';
import t from 'tap';
import { output, run } from './support/command.ts';
import { repository } from './support/environment.ts';
import { firstAnswer } from './support/http.ts';
import { podmanOutput } from './support/podman.ts';

const compose = (file: string, ...args: readonly string[]) =>
  run('podman-compose', [
    '-f',
    join(repository, 'compose-examples', file),
    '--podman-run-args=--runtime=ucrun',
    ...args,
  ]);

t.before(async () => {
  // The image has the name that a user gives it.
  await output(join(repository, 'hack/tracker/build.sh'), ['localhost/ucrun-tracker'], {
    timeoutSeconds: 120,
  });
});

const isInstalled = await output('podman-compose', ['--version']).then(
  () => true,
  () => false,
);
const skip = isInstalled ? false : 'podman-compose is not installed';

t.test('three unikernels from one tracker image come up, answer, and go', { skip }, async (t) => {
  const file = 'three-hellos.yaml';
  t.teardown(() => compose(file, 'down'));
  t.equal((await compose(file, 'up', '-d')).status, 0);
  const answers = await Promise.all(
    [8081, 8082, 8083].map((port) => firstAnswer(`http://127.0.0.1:${port}/`)),
  );
  const addresses = answers.map((answer) => /\bip=([\d.]+)/.exec(answer)?.[1]);
  t.equal(new Set(addresses).size, 3, `each has an address of its own: ${addresses.join(', ')}`);
  t.equal((await compose(file, 'down')).status, 0);
  t.equal(await podmanOutput(['ps', '--all', '--quiet', '--filter', 'label=io.podman.compose.project']), '');
});
