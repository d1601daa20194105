import t from 'tap';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { unikraft } from '../../../src/unikernel/guests/unikraft.ts';
import { sandboxPaths } from '../../../src/unikernel/sandbox-paths.ts';
import type { GuestVolume } from '../../../src/unikernel/volumes.ts';
import { bothFamilies, ipv4Only, nothing, threeCards } from '../support/guest-inputs.ts';
import { card } from '../support/plans.ts';
import { checkRoundTrips } from '../support/round-trips.ts';
import { unikraftSees } from '../support/unikraft-parser.ts';

/** QEMU puts the kernel's path before what `-append` says. */
const asLoaded = (line: string) => `${sandboxPaths.kernel} ${line}`;
const data: GuestVolume = {
  kind: 'share',
  driver: '9p',
  tag: 'fs1',
  path: '/data',
  readOnly: false,
  file: undefined,
};

t.test('unikraft.commandLine() of each generation of parameters', async (t) => {
  const full: GuestInput = {
    ...nothing,
    network: ipv4Only,
    hostname: 'web',
    root: 'initrd',
    args: ['serve'],
  };
  const lists =
    'netdev.ipv4_addr=10.88.0.2 netdev.ipv4_subnet_mask=255.255.0.0 netdev.ipv4_gw_addr=10.88.0.1';
  const current =
    'unikernel netdev.ip=10.88.0.2/16:10.88.0.1:10.88.0.1:1.1.1.1:web vfs.fstab=initrd0:/:extract::ramfs=2 -- serve';
  const cases: readonly [version: string | undefined, line: string][] = [
    [undefined, current],
    ['', current],
    ['newest', current],
    ['0.17.0', current],
    ['0.16.1', current],
    ['v0.16.1', current],
    ['1.0', current],
    ['0.16.1~2c5b3e9', current],
    ['0.16.0', `unikernel ${lists} netdev.ipv4_dns0_addr=10.88.0.1 vfs.fstab=initrd0:/:initrd -- serve`],
    ['0.16', `unikernel ${lists} netdev.ipv4_dns0_addr=10.88.0.1 vfs.fstab=initrd0:/:initrd -- serve`],
    ['0.15.0', `unikernel ${lists} vfs.fstab=initrd0:/:initrd -- serve`],
    ['0.14.0', `unikernel ${lists} vfs.fstab=initrd0:/:initrd -- serve`],
    ['0.13.1', `unikernel ${lists} vfs.rootfs=initrd -- serve`],
    ['0.9', `unikernel ${lists} vfs.rootfs=initrd -- serve`],
  ];
  for (const [version, line] of cases)
    t.equal(unikraft.commandLine({ ...full, version }), line, version ?? 'no version');
});

t.test('unikraft.commandLine() has a word before the stop, and the stop, whatever it is given', async (t) => {
  t.equal(unikraft.commandLine(nothing), 'unikernel --');
  t.equal(unikraft.commandLine({ ...nothing, cmdline: ' a.b=c  d ' }), 'unikernel a.b=c d --');
  t.equal(unikraft.commandLine({ ...nothing, args: ['--', 'help'] }), 'unikernel -- -- help');
});

t.test('unikraft.commandLine() gives each card its values', async (t) => {
  const line = (network: GuestInput['network'], version?: string) =>
    unikraft.commandLine({ ...nothing, network, version });
  t.equal(
    line(threeCards),
    'unikernel netdev.ip=10.88.0.2/16:10.88.0.1 netdev.ip= netdev.ip=10.99.0.7/24 --',
  );
  t.equal(
    line(threeCards, '0.15.0'),
    "unikernel netdev.ipv4_addr='10.88.0.2 0.0.0.0 10.99.0.7' netdev.ipv4_subnet_mask='255.255.0.0 0.0.0.0 255.255.255.0'" +
      " netdev.ipv4_gw_addr='10.88.0.1 0.0.0.0 0.0.0.0' --",
  );
  t.equal(line(bothFamilies), line(ipv4Only), 'there is no parameter for IPv6');
  t.equal(line({ cards: [{ ...card, ipv4: undefined }], nameServers: ['10.0.0.1'] }), 'unikernel --');
  t.equal(line({ cards: [], nameServers: [] }), 'unikernel --');
  const many = { cards: Array.from({ length: 5 }, () => card), nameServers: [] };
  t.throws(() => line(many), {
    code: 'GUEST_UNSUPPORTED',
    message: '5 network cards cannot be given to a guest of type "unikraft"',
    hint: 'it takes at most 4',
  });
});

t.test('unikraft.commandLine() leaves out a host name that would end its field', async (t) => {
  const name = (hostname: string) =>
    /:web$|:$/.test(unikraft.commandLine({ ...nothing, network: ipv4Only, hostname }).replace(' --', ''));
  t.ok(name('web'));
  for (const hostname of ['', 'a:b', 'a b', 'é']) t.notOk(name(hostname), hostname);
});

t.test('unikraft.commandLine() mounts root and volumes', async (t) => {
  const line = (input: Partial<GuestInput>) => unikraft.commandLine({ ...nothing, ...input });
  t.equal(line({ root: '9p' }), 'unikernel vfs.fstab=fs0:/:9pfs --');
  t.equal(line({ root: '9p', version: '0.13.1' }), 'unikernel vfs.rootfs=9pfs vfs.rootdev=fs0 --');
  const volumes: readonly GuestVolume[] = [data, { ...data, tag: 'fs2', path: '/a b', readOnly: true }];
  t.equal(
    line({ root: 'initrd', volumes }),
    "unikernel vfs.fstab=initrd0:/:extract::ramfs=2 vfs.fstab=fs1:/data:9pfs:::mkmp 'vfs.fstab=fs2:/a b:9pfs:1::mkmp' --".replace(
      "'vfs.fstab=",
      "vfs.fstab='",
    ),
  );
  const refused: readonly [volume: GuestVolume, version: string | undefined, reason: RegExp][] = [
    [{ ...data, path: '/a:b' }, undefined, /a colon ends the path/],
    [{ ...data, file: 'one' }, undefined, /no single file/],
    [{ kind: 'disk', index: 0, path: '/data', readOnly: false }, undefined, /no disk images/],
    [data, '0.13.1', /too old/],
  ];
  for (const [volume, version, reason] of refused) {
    t.throws(
      () => line({ volumes: [volume], version }),
      { code: 'VOLUME_UNSUPPORTED', message: reason },
      String(reason),
    );
  }
});

t.test('unikraft.commandLine() refuses what has no form', async (t) => {
  for (const env of ['NAKED', '=x', '[A=b', 'A=\0'])
    t.throws(() => unikraft.commandLine({ ...nothing, env: [env] }), {
      code: 'GUEST_UNSUPPORTED',
      message: /^environment variable ".*" cannot be given to a guest of type "unikraft"$/,
    });
  for (const argument of ['', '\0'])
    t.throws(() => unikraft.commandLine({ ...nothing, args: ['a', argument] }), {
      code: 'GUEST_UNSUPPORTED',
      message: `argument ${JSON.stringify(argument)} cannot be given to a guest of type "unikraft"`,
    });
});

t.test(
  'unikraft.commandLine() keeps to the length and the number of words that the kernel has room for',
  async (t) => {
    const room = 4095 - asLoaded('unikernel -- ').length;
    t.equal(asLoaded(unikraft.commandLine({ ...nothing, args: ['x'.repeat(room)] })).length, 4095);
    t.throws(() => unikraft.commandLine({ ...nothing, args: ['x'.repeat(room + 1)] }), {
      code: 'GUEST_UNSUPPORTED',
      message: 'the command line is 4078 bytes long, and a guest of type "unikraft" takes at most 4077',
    });
    const args = Array.from({ length: 56 }, () => 'a b');
    t.strictSame(unikraftSees(asLoaded(unikraft.commandLine({ ...nothing, args }))).args, args);
    t.throws(() => unikraft.commandLine({ ...nothing, args: [...args, 'c'] }), {
      code: 'GUEST_UNSUPPORTED',
      message: '59 words cannot be given to a guest of type "unikraft"',
      hint: 'it takes at most 58',
    });
  },
);

t.test('the kernel of this test reads words as uk_argnparse() and uk_libparam_parse() do', async (t) => {
  const cases: readonly [line: string, args: readonly string[]][] = [
    ['k a b', ['a', 'b']],
    ['k -- b', ['--', 'b']],
    ['k a -- b', ['b']],
    ['k a --', []],
    [`k a -- 'b c' "d e" f\\ g`, ['b c', 'd e', 'f g']],
    [String.raw`k a -- "b\"c" 'd\e' "f\g" h\i \\ "j'k"`, ['b"c', 'd\\e', 'f\\g', 'hi', '\\', "j'k"]],
    [`k a -- '' b''c`, ['bc']],
    ['k a=[ -- b', ['b']],
    ['k a.b=[ -- c ] -- d', ['d']],
  ];
  for (const [line, args] of cases) t.strictSame(unikraftSees(line).args, args, line);
  const { parameters } = unikraftSees('k env.vars=[ "A=b" C=d] env.vars=E=[f] x.y -- g');
  t.strictSame([...parameters], [['env.vars', ['A=b', 'C=d', 'E=[f]']]]);
});

t.test('what unikraft.commandLine() accepts is what the program gets', async (t) => {
  checkRoundTrips(t, 5000, {
    guest: unikraft,
    input: { network: ipv4Only, root: 'initrd', volumes: [data] },
    read: (line) => {
      const { args, parameters } = unikraftSees(asLoaded(line));
      return { args, env: parameters.get('env.vars') ?? [] };
    },
    hasArgs: true,
    hasEnv: true,
    isHopelessArg: (arg) => arg === '',
  });
});
