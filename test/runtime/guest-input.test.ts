import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { guestInput } from '../../src/runtime/guest-input.ts';
import { parseDefinition } from '../../src/unikernel/definition.ts';
import type { UnikernelSource } from '../../src/unikernel/detect.ts';
import type { PlannedVolume } from '../../src/unikernel/volumes.ts';
import { specWith } from '../unikernel/support/fixtures.ts';
import { nanosVolume } from '../unikernel/support/nanos-image.ts';

const ofRegistry: UnikernelSource = { kind: 'registry', name: 'n', overrides: {} };
const ofImage = (isUrunc: boolean): UnikernelSource => ({
  kind: 'image',
  image: { settings: {}, written: {}, source: 'the annotations', isUrunc },
});

interface Case {
  readonly definition: object;
  readonly source?: UnikernelSource;
  readonly process?: object;
  readonly disks?: readonly string[];
  readonly volumes?: readonly PlannedVolume[];
  readonly mounts?: readonly object[];
}

function input({
  definition,
  source = ofRegistry,
  process = {},
  disks = [],
  volumes = [],
  mounts = [],
}: Case) {
  const parsed = parseDefinition({ kernel: 'k', ...definition }, 'a test');
  const spec = specWith({ process: { args: ['program', 'one', 'two'], ...process }, hostname: 'h', mounts });
  return guestInput(
    { definition: parsed, disks, volumes, ports: parsed.ports },
    { bundle: '/bundle', spec, source },
  );
}

t.test('guestInput() gives the guest the words that are its own', async (t) => {
  const all = ['program', 'one', 'two'];
  const cases: readonly [what: string, args: readonly string[], of: Case][] = [
    ["a tracker's program is not started", ['one', 'two'], { definition: { guest: 'linux' } }],
    ["but a root file system's is", all, { definition: { guest: 'linux', root: '9p' } }],
    ["an image's words", all, { definition: { guest: 'linux' }, source: ofImage(false) }],
    ["an image's words, of another kind", all, { definition: { guest: 'unikraft' }, source: ofImage(true) }],
    [
      "a kind that is not told the program's name",
      ['one', 'two'],
      { definition: { guest: 'mewz' }, source: ofImage(false) },
    ],
  ];
  for (const [what, args, of] of cases) t.strictSame(input(of).args, args, what);
});

t.test("guestInput() drops an engine's init", async (t) => {
  const definition = { guest: 'linux' };
  for (const init of ['/run/podman-init', '/dev/init', '/sbin/docker-init']) {
    const process = { args: [init, '--', 'program', 'one'] };
    t.strictSame(input({ definition, process }).args, ['one'], init);
    t.strictSame(input({ definition, process, source: ofImage(false) }).args, ['program', 'one'], init);
  }
  const source = ofImage(false);
  for (const args of [['/dev/init', 'one'], ['/bin/init', '--', 'one'], []])
    t.strictSame(input({ definition, source, process: { args } }).args, args, 'which these are not');
});

t.test("guestInput() has the first word of urunc's Linux images started", async (t) => {
  const source = ofImage(true);
  const urunc = (definition: object, args: readonly string[] = ['/bin/app', 'one']) =>
    input({ definition: { guest: 'linux', ...definition }, source, process: { args } });
  t.match(urunc({}), { cmdline: 'rdinit=/bin/app', args: ['one'] });
  t.match(urunc({ initrd: 'i', cmdline: 'loglevel=3' }), { cmdline: 'loglevel=3 rdinit=/bin/app' });
  t.match(urunc({ disk: 'd' }), { cmdline: 'init=/bin/app', args: ['one'] });
  t.match(urunc({ root: '9p' }), { cmdline: 'init=/bin/app', args: ['one'] });
  t.match(urunc({}, []), { cmdline: '', args: [] });
  for (const program of ['a b', '', 'a"b', 'ü', 'a\n'])
    t.throws(
      () => urunc({}, [program]),
      {
        code: 'GUEST_UNSUPPORTED',
        message: `a Linux guest cannot start ${JSON.stringify(program)}`,
      },
      JSON.stringify(program),
    );
});

t.test('guestInput() has what else the container says', async (t) => {
  const process = { env: ['A=b', 'PATH=/bin'], cwd: '/srv' };
  t.match(input({ definition: { guest: 'linux', version: '6.1', ports: '8080:80' }, process }), {
    version: '6.1',
    env: ['A=b'],
    hostname: 'h',
    workingDirectory: '/srv',
    root: 'none',
    volumes: [],
    port: 80,
  });
  t.equal(input({ definition: { guest: 'linux' }, process: { cwd: '/' } }).workingDirectory, undefined);
});

t.test("guestInput() finds out what Nanos calls its volumes, and nobody else's", async (t) => {
  const folder = t.testdir();
  const [own = '', other = ''] = ['own', 'other'].map((label) => {
    const path = join(folder, `${label}.img`);
    writeFileSync(path, nanosVolume({ version: 5, root: { children: {} }, label }));
    return path;
  });
  const volumes: readonly PlannedVolume[] = [
    {
      guest: { kind: 'share', driver: '9p', tag: 'fs1', path: '/s', readOnly: false, file: undefined },
      source: '/nowhere',
      format: undefined,
    },
    { guest: { kind: 'disk', index: 2, path: '/b', readOnly: true }, source: other, format: 'raw' },
  ];
  const definition = { disk: ['x.img', 'own.img:/a'] };
  const disks = [join(folder, 'x.img'), own];
  t.strictSame(input({ definition: { guest: 'nanos', ...definition }, disks, volumes }).volumes, [
    { kind: 'disk', index: 1, path: '/a', readOnly: false, label: 'own' },
    { kind: 'share', driver: '9p', tag: 'fs1', path: '/s', readOnly: false, file: undefined },
    { kind: 'disk', index: 2, path: '/b', readOnly: true, label: 'other' },
  ]);
  const linux = input({ definition: { guest: 'linux', ...definition }, disks, volumes }).volumes;
  t.notOk(linux.some((volume) => 'label' in volume));
});

t.test(
  "guestInput() has the user's file systems in memory, but for those in a root of the container's",
  async (t) => {
    const mounts = [
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm' },
      { destination: '/cache/', type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] },
      { destination: '/data', type: 'tmpfs', source: '/srv', options: ['bind'] },
    ];
    t.strictSame(input({ definition: { guest: 'linux' }, mounts }).tmpfs, ['/cache']);
    t.strictSame(input({ definition: { guest: 'linux', root: '9p' }, mounts }).tmpfs, []);
  },
);
