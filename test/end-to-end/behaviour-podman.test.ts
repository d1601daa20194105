/** The rows of support/behaviour over podman, and those that docker does not have. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { buildStopSignalImages, hello, isReady, type Row, rows, runRows } from './support/behaviour/index.ts';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { output, run } from './support/command.ts';
import { type Engine, outputOf, podmanEngine } from './support/engine.ts';
import { guestArgs, inspect, monitorOf, stateOf, tracesOf, waitForReady } from './support/engine-guests.ts';
import { scratch } from './support/environment.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { nothingLeft } from './support/leftovers.ts';

/** Rows for what docker does not have. */
const podmanRows: readonly Row[] = [
  {
    name: 'hooks: all six kinds run, and are told the bundle of the engine',
    async run(t, engine) {
      const name = 'bv-hooks';
      const { directory, told } = await makeHooks(t, {
        prestart: 'cat >"$told/prestart"',
        createRuntime: 'cat >"$told/createRuntime"',
        createContainer: 'cat >"$told/createContainer"',
        // Already in the sandbox, as the user that QEMU runs as.
        startContainer: 'cat >/ucrun/run/started',
        poststart: 'cat >"$told/poststart"',
        poststop: 'cat >"$told/poststop"',
      });
      const guest = { service: 'hello', options: ['--network', 'none'] } as const;
      t.teardown(() => engine.remove(name));
      await outputOf(engine, [
        '--hooks-dir',
        directory,
        'run',
        '--detach',
        ...guestArgs(engine, name, guest),
      ]);
      await waitForReady(engine, name);
      const id = await inspect(engine, name, '{{.Id}}');
      const bundle = dirname(await inspect(engine, name, '{{.OCIConfigPath}}'));
      await copyFile(
        `/proc/${await monitorOf(engine, name)}/root/ucrun/run/started`,
        join(told, 'startContainer'),
      );
      await outputOf(engine, ['stop', name]);
      await outputOf(engine, ['rm', name]);
      for (const [kind, status] of [
        ['prestart', 'created'],
        ['createRuntime', 'created'],
        ['createContainer', 'created'],
        ['poststart', 'running'],
        ['poststop', 'stopped'],
      ] as const) {
        const state = JSON.parse(await readFile(join(told, kind), 'utf8'));
        t.match(state, { id, bundle, status }, kind);
      }
      // This one crun tells of the container as it is seen from inside.
      t.match(JSON.parse(await readFile(join(told, 'startContainer'), 'utf8')), { id, bundle: '/' });
    },
  },
  {
    name: 'hooks: a createRuntime hook that fails keeps the container from being made',
    async run(t, engine) {
      const name = 'bv-failing-hook';
      const { directory } = await makeHooks(t, {
        createRuntime: 'cat >/dev/null; echo no reason >&2; exit 9',
      });
      t.teardown(() => engine.remove(name));
      const args = ['--hooks-dir', directory, 'run', ...guestArgs(engine, name, hello)];
      const { status, stdout, stderr } = await engine.call(args);
      t.not(status, 0);
      t.equal(stdout, '');
      t.match(stderr, /hook.*9/i);
      const traces = await tracesOf(engine, name);
      await outputOf(engine, ['rm', name]);
      await nothingLeft(traces);
    },
  },
  {
    name: 'hooks: a poststop hook that fails is only a warning',
    async run(t, engine) {
      const name = 'bv-late-hook';
      const { directory } = await makeHooks(t, { poststop: 'exit 9' });
      const guest = { service: 'hello', options: ['--network', 'none', '-i'] } as const;
      t.teardown(() => engine.remove(name));
      const args = ['--hooks-dir', directory, 'run', ...guestArgs(engine, name, guest)];
      const { status } = await engine.call(args, { input: 'exit 3\n', typesAfter: isReady });
      t.equal(status, 3);
      const traces = await tracesOf(engine, name);
      await outputOf(engine, ['--hooks-dir', directory, 'rm', name]);
      await nothingLeft(traces);
    },
  },
  {
    name: 'two containers of one name, in two stores of podman, are two machines',
    async run(t, engine) {
      const name = 'bv-twin';
      const other = await otherStore(t);
      const guest = { service: 'hello', options: ['--detach', '--network', 'none'] } as const;
      for (const store of [engine, other]) {
        t.teardown(() => store.remove(name));
        await outputOf(store, ['run', ...guestArgs(store, name, guest)]);
        await waitForReady(store, name);
      }
      await outputOf(engine, ['kill', name]);
      t.equal(await outputOf(engine, ['wait', name]), '137');
      t.equal(await stateOf(other, name), 'running 0');
      await outputOf(other, ['stop', name]);
      t.equal(await stateOf(other, name), 'exited 0');
    },
  },
];

/** Hooks that are shell scripts, in which `$told` is a directory. */
async function makeHooks(
  t: Test,
  scripts: Readonly<Record<string, string>>,
): Promise<{ readonly directory: string; readonly told: string }> {
  const directory = await mkdtemp(join(scratch, 'hooks-'));
  const told = await mkdtemp(join(scratch, 'told-'));
  t.teardown(() => Promise.all([directory, told].map((path) => rm(path, { recursive: true }))));
  for (const [kind, script] of Object.entries(scripts)) {
    const hook = { path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/usr/bin:/bin', `told=${told}`] };
    const content = { version: '1.0.0', hook, when: { always: true }, stages: [kind] };
    await writeFile(join(directory, `${kind}.json`), JSON.stringify(content));
  }
  return { directory, told };
}

/** podman with a store of its own, in which nothing is but the tracker image. */
async function otherStore(t: Test): Promise<Engine> {
  const folder = await mkdtemp(join(scratch, 'store-'));
  const settings = await readFile(process.env.CONTAINERS_CONF ?? '', 'utf8');
  const places = {
    network_config_dir: 'networks',
    static_dir: 'libpod',
    tmp_dir: 'tmp',
    volume_path: 'volumes',
  };
  const own = Object.entries(places).reduce(
    (text, [key, place]) => text.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = "${folder}/${place}"`),
    settings,
  );
  await writeFile(join(folder, 'containers.conf'), own);
  const env = { CONTAINERS_CONF: join(folder, 'containers.conf') };
  const place = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run')];
  const usual = podmanEngine('');
  const other: Engine = {
    ...usual,
    call: (args, options = {}) => usual.call([...place, ...args], { ...options, env }),
    async remove(name) {
      await other.call(['rm', '--force', '--time', '0', '--ignore', name]);
    },
  };
  t.teardown(async () => {
    // Not by "system reset", which takes away what is outside of the store, too.
    await outputOf(other, ['rmi', '--all', '--force']);
    await run('umount', [join(folder, 'root/overlay')]);
    await rm(folder, { recursive: true });
  });
  const archive = join(folder, 'image.tar');
  await output('podman', ['save', '--output', archive, trackerImage]);
  await outputOf(other, ['load', '--input', archive]);
  return other;
}

let podman: Engine | undefined;
t.before(async () => {
  await buildTrackerImage();
  await buildStopSignalImages(trackerImage);
  podman = podmanEngine(await makeBrokenRuntime('broken-podman'));
});

runRows([...rows, ...podmanRows], 'podman', () => {
  if (podman === undefined) throw new Error('the images were not built');
  return podman;
});
