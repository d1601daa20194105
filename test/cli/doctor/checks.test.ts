import t from 'tap';
import { type Check, not, ok } from '../../../src/cli/doctor/check.ts';
import { checkTable } from '../../../src/cli/doctor/command.ts';
import { engineCheck, needOf } from '../../../src/cli/doctor/engines.ts';
import { cgroupCheck, deviceCheck, kvmCheck, modulesCheck } from '../../../src/cli/doctor/kernel.ts';
import { machineFindings } from '../../../src/cli/doctor/machines.ts';
import { crunCheck, machinesCheck } from '../../../src/cli/doctor/programs.ts';
import { registryCheck } from '../../../src/cli/doctor/registry.ts';
import { idsCheck } from '../../../src/cli/doctor/rootless.ts';

const podman5 = needOf({ name: 'podman', program: '/p', version: [5, 4], versionText: '5.4.2' });
const podman4 = needOf({ name: 'podman', program: '/p', version: [4, 3], versionText: '4.3.1' });
const containerd2 = needOf({ name: 'containerd', program: '/c', version: [2, 1], versionText: '2.1.4' });
const noKvm = { works: false, reason: 'r' } as const;
const tun = { status: 'warning', without: 'w', load: 'modprobe tun' } as const;
const v2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n';
const v1 =
  '31 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n32 31 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n';

const cases: readonly [what: string, check: Check, status: Check['status'], found: string | RegExp][] = [
  ['a new crun', crunCheck('/c', '1.21', [podman5]), 'ok', '1.21 (/c)'],
  ['the first crun that is new enough', crunCheck('/c', '1.14.3', [podman5]), 'ok', '1.14.3 (/c)'],
  ['an old crun for an old podman', crunCheck('/c', '1.8.1', [podman4]), 'note', /too old for podman 5 and/],
  [
    'an old crun for new engines',
    crunCheck('/c', '1.14.2', [podman5, podman4, containerd2]),
    'problem',
    '1.14.2 (/c), too old for podman 5.4.2 and containerd 2.1.4',
  ],
  ['a crun that says nothing', crunCheck('/c', undefined, []), 'problem', /does not say its version/],
  [
    'machines',
    machinesCheck('microvm    microvm (i386)\nq35   Standard PC (alias of pc-q35-7.2)\n'),
    'ok',
    'microvm, q35',
  ],
  ['no microvm', machinesCheck('q35   Standard PC\npc-microvmish x\n'), 'warning', 'no microvm'],
  ['no machine', machinesCheck('none   empty machine\n'), 'problem', 'no microvm, no q35'],
  ['KVM', kvmCheck('auto', 'open', { works: true, cpu: 'host' }), 'ok', /ran/],
  ['KVM that does not work', kvmCheck('auto', 'open', noKvm), 'warning', 'r'],
  ['KVM that is demanded', kvmCheck('kvm', 'closed', noKvm), 'problem', 'r'],
  ['KVM that nobody wants', kvmCheck('tcg', 'missing', noKvm), 'note', 'r'],
  ['a device', deviceCheck('/dev/net/tun', 'open', tun), 'ok', 'is there'],
  ['a device that is missing', deviceCheck('/dev/net/tun', 'missing', tun), 'warning', 'missing: w'],
  [
    'a device that is closed',
    deviceCheck('/dev/net/tun', 'closed', tun),
    'warning',
    'this user may not open it: w',
  ],
  [
    'modules',
    modulesCheck(
      [
        ['a', 'here'],
        ['b', 'here'],
      ],
      true,
    ),
    'ok',
    'a, b',
  ],
  [
    'modules to be loaded',
    modulesCheck(
      [
        ['a', 'here'],
        ['b', 'loadable'],
      ],
      true,
    ),
    'ok',
    'b are loaded when needed',
  ],
  [
    'a module that is missing',
    modulesCheck(
      [
        ['a', 'here'],
        ['b', 'missing'],
      ],
      true,
    ),
    'problem',
    'b missing',
  ],
  ['a module that nobody needs', modulesCheck([['b', 'missing']], false), 'note', 'b missing'],
  ['modules of which nothing tells', modulesCheck([['b', 'unknown']], true), 'note', /nothing tells/],
  ['cgroups of version 2', cgroupCheck(v2, undefined), 'ok', 'version 2'],
  ['cgroups of version 1', cgroupCheck(v1, undefined), 'ok', 'version 1'],
  ['a hybrid host without controllers in version 2', cgroupCheck(v1, '\n'), 'ok', 'version 1'],
  ['a mixture of both', cgroupCheck(v1, 'hugetlb\n'), 'problem', /a mixture, where version 2 has hugetlb/],
  ['no cgroups', cgroupCheck('', undefined), 'problem', 'none at /sys/fs/cgroup'],
  ['subuid by name', idsCheck('subuid', 'eve:100000:65536\nadam:1:2\n', 'adam', 5), 'ok', '2 ids from 1'],
  ['subuid by number', idsCheck('subuid', '5:100000:65536\n', 'adam', 5), 'ok', '65536 ids from 100000'],
  [
    'no subgid',
    idsCheck('subgid', 'eve:100000:65536\n', 'adam', 5),
    'problem',
    '/etc/subgid has nothing for adam',
  ],
  ['no file of ids', idsCheck('subuid', undefined, 'adam', 5), 'problem', '/etc/subuid has nothing for adam'],
  [
    'an engine that knows ucrun',
    engineCheck({ name: 'docker', versionText: '28.1', path: '/u', isThere: true, command: 'c' }),
    'ok',
    '28.1, has ucrun at /u',
  ],
  [
    'an engine that has a ucrun that is gone',
    engineCheck({ name: 'docker', versionText: '28.1', path: '/u', isThere: false, command: 'c' }),
    'problem',
    '28.1, has ucrun at /u, which is missing',
  ],
  [
    'an engine that does not know ucrun',
    engineCheck({ name: 'docker', versionText: '28.1', path: undefined, isThere: true, command: 'c' }),
    'warning',
    '28.1, does not know ucrun',
  ],
];

for (const [what, check, status, found] of cases) {
  t.test(`doctor tells of ${what}`, async (t) => {
    t.equal(check.status, status);
    t.match(check.found, found);
    t.equal(
      check.remedy !== undefined && check.remedy !== '',
      status !== 'ok',
      'what is not ok says what to do',
    );
  });
}

t.test('registryCheck() names what cannot be read', async (t) => {
  t.match(registryCheck([], [], '/r'), [{ status: 'note', found: 'no unikernels' }]);
  t.match(registryCheck([{ name: 'a' }, { name: 'b', problem: 'p' }], ['/r'], '/r'), [
    { status: 'ok', found: '1 of 2 unikernels can be read, in /r' },
    { what: 'unikernel b', status: 'warning', found: 'p', remedy: /ucrun image rm b$/ },
  ]);
});

t.test('machineFindings() tells what helps each machine', async (t) => {
  t.match(machineFindings([], 0), [{ status: 'ok', found: 'none' }]);
  t.match(machineFindings([], 2), [{ status: 'ok', found: '2' }]);
  const findings = (['unit-missing', 'unit-edited'] as const).map(
    (kind) => ({ kind, name: kind, what: 'w', remedy: 'r' }) as const,
  );
  t.strictSame(machineFindings(findings, 2), [
    not('warning', 'machine unit-missing', 'w', 'ucrun machine doctor --fix'),
    not('warning', 'machine unit-edited', 'w', 'r'),
  ]);
});

t.test('checkTable() has what to do below what was found', async (t) => {
  const rows = [ok('crun', '1.21'), not('problem', 'QEMU', 'missing', 'install it')];
  t.equal(checkTable(rows), 'ok       crun  1.21\nPROBLEM  QEMU  missing\n               → install it\n');
});
