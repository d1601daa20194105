/** deploy/podman/pod.yaml, run by podman kube play as its comments say. */
import { join } from 'node:path';
import t from 'tap';
import { output } from './support/command.ts';
import { buildExampleImages } from './support/compose.ts';
import { isRecorded, monitorOf } from './support/container-processes.ts';
import { ucrunAsDefault } from './support/default-runtime.ts';
import { repository } from './support/environment.ts';
import { firstAnswer } from './support/http.ts';
import { nothingLeft, tracesOf } from './support/leftovers.ts';
import { inspect, podman, podmanOutput } from './support/podman.ts';
import { waitFor } from './support/wait.ts';

const file = join(repository, 'deploy/podman/pod.yaml');
const [hello, visitor] = ['hello-with-visitor-hello', 'hello-with-visitor-visitor'] as const;

t.before(buildExampleImages);

t.test('podman kube play runs a unikernel and a plain container in one pod', async (t) => {
  const env = await ucrunAsDefault('kube-play');
  const down = () => output('podman', ['kube', 'play', '--down', file], { env });
  let isUp = true;
  t.teardown(() => (isUp ? down() : undefined));
  await output('podman', ['kube', 'play', file], { env });

  t.match(await firstAnswer('http://127.0.0.1:8090/'), /"hello"/);
  const log = await waitFor('the visitor to be answered', async () => {
    const { stdout } = await podman(['logs', visitor]);
    return stdout.includes('hello') && stdout;
  });
  t.match(log, /^\{"name":"hello"/);
  t.match(await podmanOutput(['logs', hello]), /hello: ready/);

  const traces = await Promise.all([hello, visitor].map(tracesOf));
  const [unikernel, plain] = await Promise.all([hello, visitor].map((name) => inspect(name, '{{.Id}}')));
  t.match(monitorOf(unikernel ?? '').commandLine, / -m 64M /, "with the pod's annotation");
  t.equal(isRecorded(plain ?? ''), false, 'which is no error for the plain one');

  await podmanOutput(['restart', hello]);
  t.match(await firstAnswer('http://127.0.0.1:8090/'), /"hello"/);
  await down();
  isUp = false;
  await nothingLeft(...traces);
});
