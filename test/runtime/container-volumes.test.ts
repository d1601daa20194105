import { execFileSync } from 'node:child_process';
import { realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  engineInits,
  isHostsFile,
  isReadOnly,
  isResolvConf,
  mountsForRoot,
  volumeRequests,
} from '../../src/runtime/container-volumes.ts';
import type { Spec } from '../../src/unikernel/spec.ts';
import { capturedSpec, specWith } from '../unikernel/support/fixtures.ts';
import { unikernelMounts } from './support/mounts.ts';

/** The volumes of mounts as somebody writes them. */
const requests = (mounts: readonly object[], bundle = '/') =>
  volumeRequests(specWith({ mounts }).mounts, bundle);

/** An engine's bundle, whose volumes come from here instead of from the host it was captured on. */
function relocated(bundle: string, source: string): Spec['mounts'] {
  const { mounts } = capturedSpec(bundle);
  const theirs = /^(?:\/srv\/v|\/var\/lib\/docker\/volumes\/vol1\/_data|.*\/userdata\/secrets\/s1)$/;
  return mounts.map((mount) => (theirs.test(mount.source ?? '') ? { ...mount, source } : mount));
}

t.test("volumeRequests() finds the volumes in every engine's bundle, and nothing else", async (t) => {
  const folder = t.testdir({ file: 'x' });
  t.strictSame(volumeRequests(relocated('podman-volume', folder), '/b'), [
    { destination: '/data', source: folder, sourceKind: 'directory', readOnly: false },
  ]);
  t.strictSame(volumeRequests(relocated('docker-volume', folder), '/b'), [
    { destination: '/data', source: folder, sourceKind: 'directory', readOnly: false },
  ]);
  t.strictSame(volumeRequests(relocated('podman-secret', `${folder}/file`), '/b'), [
    { destination: '/run/secrets/s1', source: `${folder}/file`, sourceKind: 'file', readOnly: false },
  ]);
  t.throws(() => volumeRequests(capturedSpec('podman-overlay').mounts, '/b'), {
    code: 'VOLUME_UNSUPPORTED',
    message: 'volume "/data" cannot be given to the guest: it is a file system of type "overlay"',
    hint: 'mount it on the host, and give the guest that directory',
  });
  for (const bundle of [
    'podman-bridge',
    'podman-host',
    'podman-none',
    'podman-userns',
    'docker',
    'containerd',
  ])
    t.strictSame(volumeRequests(capturedSpec(bundle).mounts, '/b'), [], bundle);
});

t.test('volumeRequests() leaves out what every container has', async (t) => {
  for (const mount of unikernelMounts.harmless) t.strictSame(requests([mount]), [], JSON.stringify(mount));
  for (const destination of engineInits)
    t.strictSame(requests([{ destination, source: '/nowhere', options: ['bind'] }]), [], destination);
});

t.test('volumeRequests() takes a bind mount for a volume, however it is written', async (t) => {
  const folder = realpathSync(
    t.testdir({ relative: { to: { bundle: {} } }, srv: { 'app.conf': 'x', 'disk.img': '' } }),
  );
  const sources: Readonly<Record<string, string>> = {
    '/srv': join(folder, 'srv'),
    '/srv/app.conf': join(folder, 'srv/app.conf'),
  };
  for (const mount of unikernelMounts.volumes) {
    const shown = JSON.stringify(mount);
    const options: readonly string[] = 'options' in mount ? mount.options : [];
    const isBind =
      ('type' in mount && mount.type === 'bind') || options.some((option) => /^r?bind$/.test(option));
    const here = { ...mount, source: sources[mount.source] ?? mount.source };
    if (!isBind) {
      t.throws(
        () => requests([here], folder),
        {
          code: 'VOLUME_UNSUPPORTED',
          message: `volume "/data" cannot be given to the guest: it is a file system of type "${'type' in mount ? mount.type : ''}"`,
        },
        shown,
      );
      continue;
    }
    t.strictSame(
      requests([here], folder),
      [
        {
          destination: mount.destination,
          source: here.source.startsWith('/') ? here.source : join(folder, here.source),
          sourceKind: here.source.endsWith('.conf') ? 'file' : 'directory',
          readOnly: options.includes('ro'),
        },
      ],
      shown,
    );
  }
});

t.test('volumeRequests() says what is behind a source, links followed', async (t) => {
  const folder = t.testdir({ folder: {}, file: 'x' });
  symlinkSync('folder', join(folder, 'to-folder'));
  symlinkSync('file', join(folder, 'to-file'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const kindOf = (source: string) =>
    requests([{ destination: '/d', type: 'bind', source }], folder)[0]?.sourceKind;
  for (const [source, kind] of [
    ['folder', 'directory'],
    ['./folder/../folder/', 'directory'],
    ['to-folder', 'directory'],
    ['.', 'directory'],
    ['file', 'file'],
    ['to-file', 'file'],
    ['pipe', 'other'],
    ['/dev/null', 'other'],
  ] as const)
    t.equal(kindOf(source), kind, source);
  for (const source of ['nowhere', 'dangling', 'nowhere/x', '/nowhere'])
    t.throws(
      () => kindOf(source),
      {
        code: 'VOLUME_UNSUPPORTED',
        message: `source "${source.startsWith('/') ? source : join(folder, source)}" of volume "/d" is missing`,
        hint: 'make it on the host first',
      },
      source,
    );
  for (const source of [undefined, null, ''])
    t.throws(() => requests([{ destination: '/d', type: 'bind', source }]), {
      code: 'VOLUME_UNSUPPORTED',
      message: 'volume "/d" cannot be given to the guest: it has no source',
    });
});

t.test('volumeRequests() keeps the order, and gives each volume of a list', async (t) => {
  const source = t.testdir();
  const list = ['/b', '/a', '/b/c', '/a'].map((destination) => ({ destination, source, options: ['bind'] }));
  t.strictSame(
    requests(list).map(({ destination }) => destination),
    ['/b', '/a', '/b/c', '/a'],
  );
});

t.test('isReadOnly() goes by the last option that says', async (t) => {
  const cases: readonly [options: readonly string[], expected: boolean][] = [
    [[], false],
    [['ro'], true],
    [['rw'], false],
    [['ro', 'rw'], false],
    [['rw', 'ro'], true],
    [['rw', 'bind', 'ro', 'nosuid'], true],
    // Of docker's, where the host's kernel can make what is mounted below read-only, too.
    [['rbind', 'rro'], true],
    [['rro', 'rw'], false],
    [['ro', 'rrw'], false],
    [['rw', 'rro'], true],
    [['rootcontext=ro', 'noro', 'RO'], false],
  ];
  for (const [options, expected] of cases) t.equal(isReadOnly({ options }), expected, options.join());
});

t.test("mountsForRoot() keeps all but the kernel's places and the engine's inits", async (t) => {
  const destinations = (mounts: Spec['mounts']) =>
    mountsForRoot(mounts).map(({ destination }) => destination);
  const engineFiles = ['/run/.containerenv', '/etc/hostname', '/etc/resolv.conf', '/etc/hosts'];
  t.strictSame(destinations(capturedSpec('podman-volume').mounts), ['/scratch', '/data', ...engineFiles]);
  t.strictSame(destinations(capturedSpec('docker-volume').mounts), [
    '/data',
    '/etc/resolv.conf',
    '/etc/hostname',
    '/etc/hosts',
  ]);
  t.ok(destinations(capturedSpec('podman-secret').mounts).includes('/run/secrets/s1'));
  t.ok(destinations(capturedSpec('podman-overlay').mounts).includes('/data'));
  const { mounts } = specWith({
    mounts: [
      ...engineInits,
      '/proc',
      '/proc/sys',
      '/sys',
      '/sys/fs/cgroup',
      '/dev',
      '/dev/shm',
      '/process',
      '/system',
      '/device',
      '/opt/proc',
    ].map((destination) => ({ destination })),
  });
  t.strictSame(destinations(mounts), ['/process', '/system', '/device', '/opt/proc']);
});

t.test('isResolvConf() and isHostsFile() are the mounts that have a source', async (t) => {
  const { mounts } = specWith({
    mounts: [
      { destination: '/etc/resolv.conf', source: '/r' },
      { destination: '/etc/resolv.conf' },
      { destination: '/etc/hosts', source: '/r' },
      { destination: '/etc/hosts' },
    ],
  });
  t.strictSame(mounts.map(isResolvConf), [true, false, false, false]);
  t.strictSame(mounts.map(isHostsFile), [false, false, true, false]);
});
