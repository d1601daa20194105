import t from 'tap';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { nanosSettings } from '../../../src/unikernel/nanos/guest-settings.ts';
import type { GuestVolume } from '../../../src/unikernel/volumes.ts';
import { bothFamilies, ipv4Only, nothing, threeCards } from '../support/guest-inputs.ts';
import { card } from '../support/plans.ts';

const settings = (input: Partial<GuestInput>) => nanosSettings({ ...nothing, ...input });

const share = (path: string, readOnly = false): GuestVolume => ({
  kind: 'share',
  driver: '9p',
  tag: `of ${path}`,
  path,
  readOnly,
  file: undefined,
});
const disk = (path: string, label: string, readOnly = false): GuestVolume => ({
  kind: 'disk',
  index: 1,
  label,
  path,
  readOnly,
});

t.test('nanosSettings() of a guest that is told nothing', async (t) => {
  t.strictSame(settings({}), {
    env: [],
    args: undefined,
    cwd: undefined,
    cards: [],
    mounts: [],
    files: [],
  });
});

t.test('nanosSettings() hands environment, arguments and directory over as they are', async (t) => {
  const told = settings({ env: ['A=b', 'C='], args: ['-v', 'x y', ''], workingDirectory: '/srv' });
  t.match(told, { env: ['A=b', 'C='], args: ['-v', 'x y', ''], cwd: '/srv' });
  t.equal(settings({ cmdline: 'is not read' }).args, undefined, "without arguments the image's stay");
});

t.test('nanosSettings() numbers shares in their order, and names disks by their labels', async (t) => {
  const volumes = [share('/a'), disk('/b', 'data'), share('/c', true), disk('/d', 'more', true), share('/e')];
  t.strictSame(settings({ volumes }).mounts, [
    { volume: '%0', path: '/a', isReadOnly: false },
    { volume: 'data', path: '/b', isReadOnly: false },
    { volume: '%1', path: '/c', isReadOnly: true },
    { volume: 'more', path: '/d', isReadOnly: true },
    { volume: '%2', path: '/e', isReadOnly: false },
  ]);
});

t.test('nanosSettings() refuses what Nanos cannot mount, or cannot tell apart', async (t) => {
  const cases: readonly [volumes: readonly GuestVolume[], path: string, problem: string][] = [
    [[share('/a'), { ...share('/f'), file: 'f' } as GuestVolume], '/f', 'it is a file'],
    [[disk('/a', 'data'), disk('/b', 'data')], '/b', 'another volume is called "data", too'],
    [[share('/a'), disk('/b', '%0')], '/b', 'another volume is called "%0", too'],
  ];
  for (const [volumes, path, problem] of cases)
    t.throws(
      () => settings({ volumes }),
      {
        code: 'VOLUME_UNSUPPORTED',
        message: `volume "${path}" cannot be given to a guest of type "nanos": ${problem}`,
      },
      problem,
    );
});

t.test('nanosSettings() describes each card, and an IPv6 address of a /64 alone', async (t) => {
  const plain = { ipv4: card.ipv4, ipv4Gateway: '10.88.0.1', ipv6: undefined, mtu: 1500 };
  t.strictSame(settings({ network: ipv4Only }).cards, [plain]);
  t.strictSame(settings({ network: bothFamilies }).cards, [{ ...plain, ipv6: 'fd00:88::2' }]);
  for (const prefixLength of [48, 63, 65, 128]) {
    const cards = [{ ...card, ipv6: { address: 'fd00:88::2', prefixLength }, ipv6Gateway: undefined }];
    t.strictSame(settings({ network: { cards, nameServers: [] } }).cards, [plain], `/${prefixLength}`);
  }
  t.match(settings({ network: threeCards }).cards, [
    plain,
    { ipv4: undefined, ipv4Gateway: undefined },
    { ipv4: { address: '10.99.0.7', prefixLength: 24 }, ipv4Gateway: undefined },
  ]);
});

t.test('nanosSettings() writes the files that a resolver and a program look for', async (t) => {
  const filesOf = (input: Partial<GuestInput>) =>
    settings(input).files.map(({ path, content }) => [path, Buffer.from(content).toString()]);
  t.strictSame(filesOf({ network: ipv4Only, hostname: 'some-nanos' }), [
    ['/etc/resolv.conf', 'nameserver 10.88.0.1\nnameserver fd00::53\nnameserver 1.1.1.1\n'],
    ['/etc/hostname', 'some-nanos\n'],
  ]);
  t.strictSame(filesOf({ network: threeCards, hostname: '' }), []);
});
