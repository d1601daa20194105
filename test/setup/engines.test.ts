import { readFileSync } from 'node:fs';
import t from 'tap';
import { diffText, undo } from '../../src/setup/change.ts';
import {
  containerdConfig,
  containerdRuntime,
  containerdRuntimes,
  importsFrom,
  isContainerdDefault,
  isCriDisabled,
} from '../../src/setup/containerd.ts';
import { crioConfig, crioRuntime, isCrioDefault } from '../../src/setup/crio.ts';
import {
  dockerConfig,
  dockerRuntime,
  isDockerDefault,
  withoutUcrunInDocker,
} from '../../src/setup/docker.ts';
import { isAtLeast, parseEngineVersion } from '../../src/setup/engine.ts';
import { isPodmanDefault, podmanConfig, podmanDropIn, podmanRuntime } from '../../src/setup/podman.ts';
import { goldenFiles, matchesGolden } from '../unikernel/support/golden.ts';

const wish = { ucrun: '/usr/bin/ucrun', isDefault: false };
const asDefault = { ...wish, isDefault: true };
const fixture = (name: string) => readFileSync(`test/fixtures/engine-config/${name}`, 'utf8');

t.test('parseEngineVersion() reads what engines print', async (t) => {
  const outputs: readonly [string, readonly [number, number] | undefined][] = [
    ['podman version 4.3.1\n', [4, 3]],
    ['Docker version 20.10.24+dfsg1, build 5d6db84\n', [20, 10]],
    ['containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n', [1, 6]],
    ['containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7193e4\n', [2, 1]],
    ['crio version 1.30.1\nGitCommit: x\n', [1, 30]],
    ['what?\n', undefined],
  ];
  for (const [output, expected] of outputs) t.strictSame(parseEngineVersion(output), expected, output);
  t.ok(isAtLeast([4, 3], [4, 0]));
  t.ok(isAtLeast([5, 0], [4, 4]));
  t.notOk(isAtLeast([3, 9], [4, 0]));
});

type Change = (text: string, isDefault: boolean) => string;
const podman: Change = (text, isDefault) => podmanConfig({ ...wish, isDefault }, [], { path: '/c', text });
const docker: Change = (text, isDefault) => dockerConfig({ ...wish, isDefault }, { path: '/d', text });
const containerd =
  (major: number): Change =>
  (text, isDefault) =>
    containerdConfig(
      { ...wish, isDefault },
      { path: '/t', text },
      { version: [major, 1], main: { path: '/t', text } },
    );

const files: readonly [name: string, change: Change][] = [
  ['containers-4.conf', podman],
  ['containers-runtimes.conf', podman],
  ['daemon-empty.json', docker],
  ['daemon-tabs.json', docker],
  ['daemon-one-line.json', docker],
  ['containerd-1-debian.toml', containerd(1)],
  ['containerd-1-kubernetes.toml', containerd(1)],
  ['containerd-2.toml', containerd(2)],
];

for (const [name, change] of files) {
  for (const isDefault of [false, true]) {
    t.test(`${name} is changed as little as possible, once, and back (default: ${isDefault})`, async (t) => {
      const original = fixture(name);
      const written = change(original, isDefault);
      matchesGolden(t, `setup/${name}${isDefault ? '.default' : ''}.diff`, diffText(name, original, written));
      t.equal(change(written, isDefault), written, 'a second time changes nothing');
      t.strictSame(undo(written, { original, written }), { isChanged: false, text: original });
      t.strictSame(undo(original, { original, written }), { isChanged: false, text: original });
      t.strictSame(undo(undefined, { original, written }), { isChanged: false, text: undefined });
    });
  }
}

t.test('no golden file is left over', async (t) => {
  const names = files.flatMap(([name]) => [`${name}.default.diff`, `${name}.diff`]);
  t.strictSame(goldenFiles('setup'), names.sort());
});

t.test("undo() keeps what others have changed since, and tells if they changed ucrun's part", async (t) => {
  const original = fixture('containerd-1-kubernetes.toml');
  const written = containerd(1)(original, true);
  const change = { original, written };
  const add = (text: string) =>
    `# mine\n${text.replace('snapshotter = "overlayfs"', 'snapshotter = "zfs"')}\n[debug]\nlevel = "debug"\n`;
  t.strictSame(undo(add(written), change), { isChanged: false, text: add(original) });
  for (const edited of [
    written.replace('/usr/bin/ucrun', '/opt/ucrun'),
    written.replace('default_runtime_name = "ucrun"', 'default_runtime_name = "kata"'),
  ])
    t.strictSame(undo(edited, change), { isChanged: true });
  t.strictSame(undo('[engine]\n', { original: undefined, written: podmanDropIn(wish, []) }), {
    isChanged: true,
  });
});

t.test('podmanDropIn() adds to the lists that other files have, and podmanRuntime() finds it', async (t) => {
  const others = [
    { path: '/a', text: '[engine]\nruntime_supports_json = ["crun"]\n' },
    { path: '/b', text: '[engine]\nruntime_supports_json = ["mine", "ucrun"]\n' },
  ];
  const text = podmanDropIn(asDefault, others);
  t.match(text, /^runtime_supports_json = \["mine", "ucrun"\]$/m);
  t.match(text, /^runtime_supports_nocgroup = \["crun", "krun", "ucrun"\]$/m);
  const configs = [...others, { path: '/c', text }];
  t.equal(podmanRuntime(configs), '/usr/bin/ucrun');
  t.ok(isPodmanDefault(configs));
  t.notOk(isPodmanDefault([...configs, { path: '/d', text: '[engine]\nruntime = "crun"\n' }]));
  t.equal(podmanRuntime(others), undefined);
});

t.test('dockerConfig() begins a file, and refuses what docker does not read', async (t) => {
  const path = '/etc/docker/daemon.json';
  const text = dockerConfig(asDefault, { path, text: '' });
  t.strictSame(JSON.parse(text), {
    runtimes: { ucrun: { path: '/usr/bin/ucrun' } },
    'default-runtime': 'ucrun',
  });
  t.equal(dockerRuntime({ path, text }), '/usr/bin/ucrun');
  t.ok(isDockerDefault({ path, text }));
  const byHand = '{"runtimes": {"ucrun": {"path": "/opt/ucrun", "runtimeArgs": ["--debug"]}}}';
  const kept = dockerConfig(wish, { path, text: byHand });
  t.equal(kept, byHand.replace('/opt', '/usr/bin'), 'what was added by hand stays');
  const back = withoutUcrunInDocker({ path, text: `${kept}\n` }, byHand, kept);
  t.strictSame(JSON.parse(back ?? ''), JSON.parse(byHand));
  for (const [wrong, message] of [
    ['{\n  "a": 1,\n}\n', `${path} is not JSON: line 3, column 1: PropertyNameExpected`],
    ['{ // why\n}\n', `${path} is not JSON: line 1, column 3: InvalidCommentToken`],
    ['[]', `${path} is not what docker reads: an object, with an object of "runtimes"`],
    ['{"runtimes": []}', `${path} is not what docker reads: an object, with an object of "runtimes"`],
  ] as const)
    t.throws(() => dockerConfig(wish, { path, text: wrong }), { code: 'ENGINE_CONFIG_INVALID', message });
});

t.test('withoutUcrunInDocker() keeps what others have added, wherever it is', async (t) => {
  const path = '/etc/docker/daemon.json';
  const without = (now: object, original: string | undefined, isDefault = false) =>
    withoutUcrunInDocker(
      { path, text: JSON.stringify(now, undefined, 2) },
      original,
      docker(original ?? '', isDefault),
    );
  const ucrun = { path: '/usr/bin/ucrun' };
  const kata = { path: '/usr/bin/kata' };
  const parsed = (text: string | undefined) => JSON.parse(text ?? 'null') as unknown;
  t.strictSame(parsed(without({ runtimes: { ucrun, kata }, debug: true }, undefined)), {
    runtimes: { kata },
    debug: true,
  });
  t.strictSame(parsed(without({ debug: true, runtimes: { ucrun } }, '{}')), { debug: true });
  const tabs = fixture('daemon-tabs.json');
  const runsc = JSON.parse(tabs).runtimes.runsc;
  t.strictSame(
    parsed(without({ runtimes: { runsc, ucrun }, 'default-runtime': 'ucrun', debug: true }, tabs, true)),
    { runtimes: { runsc }, 'default-runtime': 'runsc', debug: true },
  );
  t.strictSame(
    parsed(without({ runtimes: { ucrun }, 'default-runtime': 'kata' }, '{}', true)),
    { 'default-runtime': 'kata' },
    'whoever chose another default keeps it',
  );
  t.equal(without({ runtimes: { ucrun: { path: '/opt/ucrun' } } }, '{}'), undefined);
  t.strictSame(parsed(without({ debug: true }, '{}')), { debug: true }, 'somebody has taken it out already');
});

t.test(
  'containerdConfig() writes by the version, and refuses a file that cannot have runtimes',
  async (t) => {
    const path = '/etc/containerd/config.toml';
    const make = (text: string, major: number, main = { path, text }) =>
      containerdConfig(asDefault, { path, text }, { version: [major, 0], main });
    for (const [major, format] of [
      [1, 2],
      [2, 3],
    ] as const) {
      const text = make('', major);
      t.match(text, new RegExp(`^version = ${format}\n`));
      t.equal(containerdRuntime({ path, text }), '/usr/bin/ucrun');
      t.ok(isContainerdDefault({ path, text }));
      t.strictSame(containerdRuntimes({ path, text }), ['runc', 'ucrun']);
    }
    t.strictSame(containerdRuntimes({ path, text: make('', 2, { path: '/main', text: '' }) }), ['ucrun']);
    t.match(make('version = 2\n', 2), 'io.containerd.grpc.v1.cri');
    for (const [text, major] of [
      ['disabled_plugins = ["cri"]\n', 1],
      ['version = 3\n', 1],
      ['version = 1\n[plugins.cri]\n', 2],
    ] as const)
      t.throws(() => make(text, major), {
        code: 'ENGINE_CONFIG_INVALID',
        message: /is of version \d, which containerd/,
      });
    t.ok(
      importsFrom({ path, text: 'imports = ["/etc/containerd/conf.d/*.toml"]\n' }, '/etc/containerd/conf.d'),
    );
    t.notOk(importsFrom({ path, text: '' }, '/etc/containerd/conf.d'));
    t.ok(isCriDisabled({ path, text: 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' }));
  },
);

t.test('crioConfig() is a runtime with a directory of its own, and leaves what is there', async (t) => {
  const path = '/x';
  const fresh = crioConfig(asDefault, { path, text: '' });
  t.equal(
    fresh,
    [
      '# Written by "ucrun setup crio"; "ucrun setup crio --remove" takes it away.\n',
      '[crio.runtime]',
      'default_runtime = "ucrun"\n',
      '[crio.runtime.runtimes.ucrun]',
      'runtime_path = "/usr/bin/ucrun"',
      'runtime_type = "oci"',
      'runtime_root = "/run/crun-ucrun"\n',
    ].join('\n'),
  );
  t.equal(crioRuntime({ path, text: fresh }), '/usr/bin/ucrun');
  t.ok(isCrioDefault({ path, text: fresh }));
  t.notOk(isCrioDefault({ path, text: crioConfig(wish, { path, text: '' }) }));
  const theirs = '[crio.runtime] # mine\nlog_level = "debug"\n';
  const both = crioConfig(asDefault, { path, text: theirs });
  t.ok(both.startsWith(`${theirs}default_runtime = "ucrun"\n`), both);
  t.equal(crioConfig(asDefault, { path, text: both }), both, 'a second time changes nothing');
});
