import t from 'tap';
import { guestKinds } from '../../src/unikernel/guests/guest.ts';
import { guests } from '../../src/unikernel/guests/index.ts';
import {
  diskFormatOf,
  planVolumes,
  type VolumeKinds,
  type VolumeRequest,
} from '../../src/unikernel/volumes.ts';

const all: VolumeKinds = { share: '9p', disk: true };
const onlyDisks: VolumeKinds = { share: undefined, disk: true };
const onlyShares: VolumeKinds = { share: '9p', disk: false };
const nothing: VolumeKinds = { share: undefined, disk: false };

const directory: VolumeRequest = {
  destination: '/data',
  source: '/srv/data',
  sourceKind: 'directory',
  readOnly: false,
};
const file: VolumeRequest = { ...directory, source: '/srv/app.conf', sourceKind: 'file' };
const image: VolumeRequest = { ...file, source: '/srv/data.img' };
const plan = (requests: readonly VolumeRequest[], takes = all, diskCount = 0) =>
  planVolumes(requests, 'linux', takes, diskCount);

t.test('planVolumes() shares directories, and files that are no disk images', async (t) => {
  t.strictSame(plan([]), []);
  t.strictSame(plan([directory, { ...directory, destination: '/b', readOnly: true }]), [
    {
      guest: { kind: 'share', driver: '9p', tag: 'fs1', path: '/data', readOnly: false, file: undefined },
      source: '/srv/data',
      format: undefined,
    },
    {
      guest: { kind: 'share', driver: '9p', tag: 'fs2', path: '/b', readOnly: true, file: undefined },
      source: '/srv/data',
      format: undefined,
    },
  ]);
  t.strictSame(
    plan([{ ...file, destination: '/etc/other-name.conf' }]),
    [
      {
        guest: {
          kind: 'share',
          driver: '9p',
          tag: 'fs1',
          path: '/etc/other-name.conf',
          readOnly: false,
          file: 'other-name.conf',
        },
        source: '/srv/app.conf',
        format: undefined,
      },
    ],
    'under the name that the container has it by',
  );
});

t.test('planVolumes() makes disks of disk images, counted after those of the unikernel', async (t) => {
  const qcow2 = { ...image, source: '/srv/b.qcow2', destination: '/b', readOnly: true };
  t.strictSame(plan([image, directory, qcow2], all, 3), [
    {
      guest: { kind: 'disk', index: 3, path: '/data', readOnly: false },
      source: '/srv/data.img',
      format: 'raw',
    },
    {
      guest: { kind: 'share', driver: '9p', tag: 'fs1', path: '/data', readOnly: false, file: undefined },
      source: '/srv/data',
      format: undefined,
    },
    {
      guest: { kind: 'disk', index: 4, path: '/b', readOnly: true },
      source: '/srv/b.qcow2',
      format: 'qcow2',
    },
  ]);
  t.match(
    plan([image], onlyShares),
    [{ guest: { kind: 'share', file: 'data' } }],
    'where a guest takes disks',
  );
  t.match(
    plan([file], onlyDisks),
    [{ guest: { kind: 'disk' }, format: 'raw' }],
    'whatever its name, if it must',
  );
  t.match(
    plan([{ ...directory, source: '/srv/dir.img' }]),
    [{ guest: { kind: 'share' } }],
    'not of directories',
  );
});

t.test('planVolumes() refuses what the guest cannot have, and names it', async (t) => {
  const device: VolumeRequest = { ...directory, source: '/dev/sda1', sourceKind: 'other' };
  const cases: readonly [request: VolumeRequest, takes: typeof all, reason: string][] = [
    [directory, nothing, 'it takes no volumes'],
    [file, nothing, 'it takes no volumes'],
    [image, nothing, 'it takes no volumes'],
    [directory, onlyDisks, 'it takes disk images, and no directories'],
    [device, all, 'its source is no directory and no file'],
    [device, onlyDisks, 'its source is no directory and no file'],
    [device, nothing, 'its source is no directory and no file'],
    [{ ...directory, destination: '/' }, all, "it would be in the place of the guest's root"],
    [{ ...file, destination: '/a/..' }, all, "it would be in the place of the guest's root"],
    [{ ...image, destination: '//' }, all, "it would be in the place of the guest's root"],
  ];
  for (const [request, takes, reason] of cases)
    t.throws(
      () => plan([directory, request].slice(takes === all ? 0 : 1), takes),
      {
        code: 'VOLUME_UNSUPPORTED',
        message: `volume "${request.destination}" cannot be given to a guest of type "linux": ${reason}`,
        hint: 'run it without, or put the files into the unikernel',
      },
      `${request.source}, ${reason}`,
    );
});

t.test('planVolumes() gives the guest paths without detours', async (t) => {
  const cases: readonly [destination: string, path: string, name: string][] = [
    ['/data/', '/data', 'data'],
    ['//a///b', '/a/b', 'b'],
    ['/a/./b/.', '/a/b', 'b'],
    ['a/b', '/a/b', 'b'],
    ['/etc/../data', '/data', 'data'],
    ['/a/b/..', '/a', 'a'],
    ['/../../x', '/x', 'x'],
    ['/a b/é', '/a b/é', 'é'],
    ['/..x', '/..x', '..x'],
  ];
  for (const [destination, path, name] of cases)
    t.match(
      plan([
        { ...directory, destination },
        { ...file, destination },
        { ...image, destination },
      ]),
      [{ guest: { path, file: undefined } }, { guest: { path, file: name } }, { guest: { path } }],
      destination,
    );
});

t.test('planVolumes() gives each guest type what it takes', async (t) => {
  for (const kind of guestKinds) {
    const { shares, disk } = guests[kind].volumes;
    const takes = { share: shares[0], disk };
    const attempt = (request: VolumeRequest) => () => planVolumes([request], kind, takes, 0);
    if (takes.share) t.doesNotThrow(attempt(directory), kind);
    else t.throws(attempt(directory), { code: 'VOLUME_UNSUPPORTED', message: `"${kind}"` }, kind);
    if (takes.share || takes.disk) t.doesNotThrow(attempt(image), kind);
    else t.throws(attempt(image), { code: 'VOLUME_UNSUPPORTED' }, kind);
  }
});

t.test('diskFormatOf() goes by the name', async (t) => {
  for (const name of [
    'a.img',
    'a.raw',
    'a.ext2',
    'a.ext3',
    'a.ext4',
    'a.iso',
    'a.squashfs',
    'a.erofs',
    '/.img',
  ])
    t.equal(diskFormatOf(name), 'raw', name);
  for (const name of ['a.qcow2', 'a.img.qcow2']) t.equal(diskFormatOf(name), 'qcow2', name);
  for (const name of ['a', 'img', 'a.img.gz', 'a.IMG', 'a.qcow', 'a.vmdk', 'a.img/b', 'a.ext', 'a.ext5', ''])
    t.equal(diskFormatOf(name), undefined, name);
});
