/** What a runtime tells of its containers: state, list, ps, events, features. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { run } from './support/command.ts';
import { ucrun } from './support/environment.ts';
import { addressOf, monitorOf, startGuest } from './support/guests.ts';
import { buildPlainImage, buildTrackerImage, plainImage } from './support/images.ts';
import { inspect, podmanOutput, removeContainers } from './support/podman.ts';

t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
});

const json = async (...args: readonly string[]) => {
  const { status, stdout, stderr } = await run(ucrun, args);
  if (status !== 0 || stderr !== '') throw new Error(`${status}: ${args.join(' ')}\n${stdout}${stderr}`);
  return JSON.parse(stdout) as unknown;
};

t.test("a unikernel's container is described like any other, and what runs in it", async (t) => {
  await startGuest(t, 'described', { service: 'hello', options: ['--memory', '200m'] });
  const [id = '', pid = '', bundle = ''] = (
    await inspect('described', '{{.Id}} {{.State.Pid}} {{.OCIConfigPath}}')
  ).split(' ');
  const monitor = await monitorOf('described');

  t.match(await json('state', id), {
    id,
    status: 'running',
    pid: Number(pid),
    bundle: bundle.replace(/\/config\.json$/, ''),
    annotations: {
      'ucrun.state.guest': 'raw',
      'ucrun.state.pid': String(monitor),
      'ucrun.state.network': 'tap',
      'ucrun.state.address': await addressOf('described'),
    },
  });
  const listed = (await json('list', '--format', 'json')) as readonly { readonly id: string }[];
  t.match(
    listed.find((container) => container.id === id),
    { pid: Number(pid), status: 'running', bundle: bundle.replace(/\/config\.json$/, '') },
  );
  t.match((await run(ucrun, ['list'])).stdout, new RegExp(`^${id} +${pid} +running `, 'm'));
  const processes = (await json('ps', '--format', 'json', id)) as readonly number[];
  t.ok(processes.includes(Number(pid)) && processes.includes(monitor), JSON.stringify(processes));

  t.match(await json('events', '--stats', id), {
    type: 'stats',
    id,
    data: { cpu: { usage: { total: Number } }, memory: { usage: { limit: Number } } },
  });
});

t.test("a plain container's events are told, each interval until it ends", async (t) => {
  const name = 'eventful';
  t.teardown(() => removeContainers(name));
  await podmanOutput([`--runtime=${ucrun}`, 'run', '--detach', '--name', name, plainImage, 'sleep', '60']);
  const id = await inspect(name, '{{.Id}}');
  const stats = (await json('events', '--stats', id)) as { data: { memory: { usage: { usage: number } } } };
  t.ok(stats.data.memory.usage.usage > 0);
  const watching = run(ucrun, ['events', '--interval', '200ms', id]);
  await delay(3000); // a slow machine takes its time until ucrun asks
  await podmanOutput(['kill', name]);
  const { status, stdout } = await watching;
  t.equal(status, 0);
  const lines = stdout.trimEnd().split('\n');
  t.ok(lines.length >= 2, `${lines.length} lines`);
  for (const line of lines) t.match(JSON.parse(line), { type: 'stats', id });
});

t.test('features is a document without noise', async (t) => {
  const features = (await json('features')) as { readonly potentiallyUnsafeConfigAnnotations: string[] };
  t.match(features, {
    ociVersionMin: '1.0.0',
    ociVersionMax: String,
    hooks: Array,
    mountOptions: Array,
    linux: { namespaces: Array, cgroup: { v1: true, v2: true }, seccomp: { enabled: true } },
  });
  for (const name of ['ucrun.', 'com.urunc.unikernel.', 'run.oci.', 'org.systemd.property.'])
    t.ok(features.potentiallyUnsafeConfigAnnotations.includes(name), name);
});
