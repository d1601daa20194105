import t from 'tap';
import { isContainerId, overlayDirectory, pathsOf, statePaths } from '../../src/runtime/state-dir.ts';
import { Random } from '../unikernel/support/random.ts';

const root = {
  configuredStateDir: undefined,
  xdgRuntimeDir: undefined,
  isHostRoot: true,
  crunRoot: undefined,
};

t.test("statePaths() keys a container's folder by crun's root and its id", async (t) => {
  const cases: readonly [location: Partial<typeof root> | object, directory: string][] = [
    [{}, '/run/ucrun/run-crun:id'],
    [{ crunRoot: '/run/crun' }, '/run/ucrun/run-crun:id'],
    [{ crunRoot: '/run/crun/' }, '/run/ucrun/run-crun:id'],
    [{ crunRoot: '//run///crun' }, '/run/ucrun/run-crun:id'],
    [{ crunRoot: '/run/docker/runtime-runc/moby' }, '/run/ucrun/run-docker-runtime\\x2drunc-moby:id'],
    [{ crunRoot: '/' }, '/run/ucrun/-:id'],
    [{ crunRoot: '/..' }, '/run/ucrun/\\x2e.:id'],
    [{ crunRoot: '/a b/é' }, '/run/ucrun/a\\x20b-\\xc3\\xa9:id'],
    [{ configuredStateDir: '/var/u' }, '/var/u/run-crun:id'],
    // Root of the host keeps to /run, whatever the environment of an engine says.
    [{ xdgRuntimeDir: '/run/user/0' }, '/run/ucrun/run-crun:id'],
    [{ isHostRoot: false, xdgRuntimeDir: '/run/user/1000' }, '/run/user/1000/ucrun/run-user-1000-crun:id'],
    [{ isHostRoot: false }, '/run/ucrun/run-crun:id'],
  ];
  for (const [location, directory] of cases)
    t.equal(statePaths({ ...root, ...location }, 'id').directory, directory, JSON.stringify(location));
});

t.test('statePaths() and pathsOf() give the same paths, all inside of the folder', async (t) => {
  const paths = statePaths({ ...root, crunRoot: '/a/b' }, 'c-1');
  t.strictSame(pathsOf(paths.directory), paths);
  t.strictSame(paths, {
    stateRoot: '/run/ucrun',
    directory: '/run/ucrun/a-b:c-1',
    mark: paths.mark,
    record: '/run/ucrun/a-b:c-1/record.json',
    sandboxConfig: '/run/ucrun/a-b:c-1/config.json',
    rootfs: '/run/ucrun/a-b:c-1/rootfs',
    launchDirectory: '/run/ucrun/a-b:c-1/launch',
    launchScript: '/run/ucrun/a-b:c-1/launch/launch',
    copies: '/run/ucrun/a-b:c-1/files',
    overlays: '/run/ucrun/a-b:c-1/overlays',
    paused: '/run/ucrun/a-b:c-1/paused',
  });
  t.match(paths.mark, /^[0-9a-f]{12}$/);
  t.not(statePaths({ ...root, crunRoot: '/a/b' }, 'c-2').mark, paths.mark);
  t.not(statePaths({ ...root, crunRoot: '/a/c' }, 'c-1').mark, paths.mark);
});

t.test('statePaths() gives no two roots the same folder, and each a single name', async (t) => {
  const random = new Random(4);
  const pieces = ['a', 'b', '-', '.', '..', '/', '\\', '\\x2d', 'x2d', ' ', '\n', 'é', ':', '_', 'A'];
  const seen = new Map<string, string>();
  for (let round = 0; round < 20_000; round++) {
    const crunRoot = `/${random.text(pieces, 6)}`;
    const canonical = `/${crunRoot.split('/').filter(Boolean).join('/')}`;
    const { directory } = statePaths({ ...root, crunRoot }, 'id');
    const name = directory.slice('/run/ucrun/'.length);
    if (!/^[A-Za-z0-9:_.\\-]+$/.test(name) || name.startsWith('.'))
      t.fail(`${JSON.stringify(crunRoot)} becomes ${name}`);
    const other = seen.get(name);
    if (other !== undefined && other !== canonical)
      t.fail(`${JSON.stringify(canonical)} and ${JSON.stringify(other)} both become ${name}`);
    seen.set(name, canonical);
  }
  t.ok(seen.size > 5000, `${seen.size} different roots`);
});

t.test('isContainerId() takes what crun takes, and nothing that leaves a folder', async (t) => {
  for (const id of ['a', 'A-1_2.3+x', '...', '.a', '-', 'x'.repeat(128)])
    t.equal(isContainerId(id), true, id);
  for (const id of ['', '.', '..', 'a/b', '/', '../a', 'a b', 'a\n', 'a\0', 'é', 'a:b', 'x'.repeat(129)])
    t.equal(isContainerId(id), false, JSON.stringify(id));
});

t.test('overlayDirectory() is on a disk, and keyed as the state is', async (t) => {
  const system = statePaths({ ...root, crunRoot: '/a/b' }, 'id');
  const moved = statePaths({ ...root, configuredStateDir: '/somewhere/else' }, 'id');
  const cases: readonly [...Parameters<typeof overlayDirectory>, directory: string][] = [
    [system, undefined, true, '/root', '/var/lib/ucrun/overlays/a-b:id'],
    [system, undefined, true, undefined, '/var/lib/ucrun/overlays/a-b:id'],
    [system, undefined, false, '/home/u', '/home/u/.local/share/ucrun/overlays/a-b:id'],
    [system, undefined, false, undefined, '/var/lib/ucrun/overlays/a-b:id'],
    [system, '/big', true, '/root', '/big/a-b:id'],
    [system, '/big', false, '/home/u', '/big/a-b:id'],
    [moved, undefined, true, '/root', '/var/lib/ucrun/overlays/run-crun:id'],
  ];
  for (const [paths, configured, isHostRoot, home, directory] of cases)
    t.equal(overlayDirectory(paths, configured, isHostRoot, home), directory, directory);
});
