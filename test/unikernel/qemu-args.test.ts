import t from 'tap';
import type { MachinePlan } from '../../src/unikernel/machine.ts';
import type { NetworkPlan } from '../../src/unikernel/network/types.ts';
import { qemuArgs } from '../../src/unikernel/qemu-args.ts';
import { goldenFiles, matchesGolden } from './support/golden.ts';
import {
  kvm,
  microvm,
  noNetwork,
  overlay,
  passtNetwork,
  q35,
  tapNetwork,
  tcg,
  twoTaps,
  userNetwork,
  volumeDisk,
} from './support/plans.ts';

const models = { microvm, q35, 'q35-seabios': { ...q35, firmware: undefined } } as const;
const networks: Readonly<Record<NetworkPlan['kind'], NetworkPlan>> = {
  tap: tapNetwork,
  passt: passtNetwork,
  user: userNetwork,
  none: noNetwork,
};
const accelerators = { tcg, kvm } as const;

/** The machines of the golden files, each under the name of its file. */
const plainMachines: readonly (readonly [name: string, machine: MachinePlan, network: NetworkPlan])[] =
  Object.entries(models).flatMap(([model, plan]) =>
    Object.entries(networks).flatMap(([network, networkPlan]) =>
      Object.entries(accelerators).flatMap(([kind, accelerator]) =>
        [false, true].map(
          (hasInitrd) =>
            [
              `${model}-${network}-${kind}${hasInitrd ? '-linux' : ''}.args`,
              { ...plan, accelerator, hasInitrd, guest: hasInitrd ? 'linux' : 'raw' },
              networkPlan,
            ] as const,
        ),
      ),
    ),
  );

const disks = [overlay, { ...overlay, baseFormat: 'qcow2', readOnly: true }, volumeDisk] as const;
const shares = [
  { driver: '9p', tag: 'fs0', readOnly: false },
  { driver: '9p', tag: 'fs1', readOnly: true },
] as const;
const virtiofs = {
  guest: 'linux',
  virtiofsd: '/usr/libexec/virtiofsd',
  shares: [
    { driver: 'virtiofs', tag: 'fs1', readOnly: false },
    { driver: 'virtiofs', tag: 'fs2', readOnly: true },
  ],
} as const;
const machines = [
  ...plainMachines,
  ['microvm-disks-shares.args', { ...microvm, disks, shares }, noNetwork],
  ['q35-disks-shares.args', { ...q35, disks, shares }, noNetwork],
  [
    'q35-modern.args',
    { ...q35, guest: 'linux', disks: [volumeDisk], shares, modernVirtio: true },
    tapNetwork,
  ],
  ['q35-two-taps.args', { ...q35, guest: 'linux', modernVirtio: true }, twoTaps],
  ['microvm-two-taps.args', microvm, twoTaps],
  ['microvm-modern.args', { ...microvm, modernVirtio: true }, tapNetwork],
  [
    'q35-nanos.args',
    {
      ...q35,
      guest: 'nanos',
      disks: [overlay, volumeDisk],
      shares: [
        { driver: '9p', tag: 'fs1', readOnly: false },
        { driver: '9p', tag: 'fs2', readOnly: true },
      ],
      modernVirtio: true,
    },
    tapNetwork,
  ],
  ['microvm-virtiofs.args', { ...microvm, ...virtiofs }, noNetwork],
  ['q35-virtiofs.args', { ...q35, ...virtiofs, modernVirtio: true }, noNetwork],
  ['microvm-nanos.args', { ...microvm, guest: 'nanos', disks: [overlay] }, noNetwork],
  ['q35-disk-boot.args', { ...q35, firmware: undefined, boot: 'disk', disks }, userNetwork],
] as const;

t.test('qemuArgs() of every model, network, accelerator, with and without an initrd', async (t) => {
  for (const [name, machine, network] of machines)
    matchesGolden(t, `qemu/${name}`, `${qemuArgs(machine, network, 'port=8080 name="a b"').join('\n')}\n`);
  t.strictSame(goldenFiles('qemu'), machines.map(([name]) => name).sort(), 'no golden file is left over');
});

/** The value behind an option; undefined if the option is not there. */
function valueBehind(args: readonly string[], option: string): string | undefined {
  const at = args.indexOf(option);
  return at === -1 ? undefined : args[at + 1];
}

t.test('qemuArgs() hands the command line over in one argument, as it is', async (t) => {
  for (const line of ['a', 'a  b', '-x', 'a,b=c,,', '"\'$\\', 'é'])
    t.equal(valueBehind(qemuArgs(microvm, noNetwork, line), '-append'), line, line);
  t.equal(valueBehind(qemuArgs(microvm, noNetwork, ''), '-append'), undefined);
});

t.test('qemuArgs() takes size, processors and extra arguments from the plan', async (t) => {
  const args = qemuArgs(
    { ...q35, memoryMiB: 2048, cpus: 4, extraArgs: ['-device', 'virtio-balloon-pci'] },
    noNetwork,
    '',
  );
  t.equal(valueBehind(args, '-m'), '2048M');
  t.equal(valueBehind(args, '-smp'), '4');
  t.strictSame(args.slice(-2), ['-device', 'virtio-balloon-pci'], 'extra arguments come last, and so win');
});

t.test('qemuArgs() always confines QEMU and never opens a monitor on the console', async (t) => {
  for (const [name, machine, network] of machines) {
    const args = qemuArgs(machine, network, '');
    t.match(valueBehind(args, '-sandbox'), /^on,.*elevateprivileges=deny,spawn=deny/, name);
    for (const needed of ['-nodefaults', '-no-user-config', '-no-reboot'])
      t.ok(args.includes(needed), `${name}: ${needed}`);
    t.equal(args.filter((arg) => arg.startsWith('stdio,')).length, 1, `${name}: the console alone has stdio`);
    t.notOk(args.includes('-monitor') || args.includes('-nographic'), name);
  }
});

t.test('qemuArgs() lets no image choose its format or another file', async (t) => {
  interface Node {
    readonly driver: string;
    readonly file?: Node;
    readonly backing?: Node | null;
    readonly 'read-only'?: boolean;
  }
  const check = (node: Node, name: string) => {
    t.match(node.driver, /^(?:raw|qcow2)$/, `${name}: a format`);
    t.equal(node.file?.driver, 'file', `${name}: a file`);
    t.equal(
      'backing' in node,
      node.driver === 'qcow2',
      `${name}: qcow2, and no other, is told what is behind it`,
    );
    if (node.backing) {
      t.equal(node.backing['read-only'], true, `${name}: what is behind is not written`);
      check(node.backing, `${name}'s base`);
    }
  };
  const args = qemuArgs({ ...q35, disks }, noNetwork, '');
  const nodes = args.flatMap((arg, index) =>
    args[index - 1] === '-blockdev' ? [JSON.parse(arg) as Node] : [],
  );
  t.equal(nodes.length, disks.length);
  for (const [index, node] of nodes.entries()) check(node, `disk ${index}`);
});

t.test('qemuArgs() starts either a kernel or a disk', async (t) => {
  const fromDisk = qemuArgs({ ...q35, boot: 'disk', hasInitrd: true, disks: [overlay] }, noNetwork, 'a');
  for (const option of ['-kernel', '-initrd', '-append'])
    t.notOk(fromDisk.includes(option), `from a disk: no ${option}`);
  t.equal(fromDisk.filter((arg) => arg.endsWith(',bootindex=0')).length, 1);
  const fromKernel = qemuArgs({ ...q35, disks: [overlay] }, noNetwork, 'a');
  t.ok(fromKernel.includes('-kernel'));
  t.notMatch(fromKernel.join(' '), /bootindex/);
});

t.test('qemuArgs() keeps the older interface from every device, where the guest needs that', async (t) => {
  const machine = { ...q35, guest: 'linux', disks, shares, modernVirtio: true } as const;
  const devices = qemuArgs(machine, tapNetwork, '').filter((arg) => /^virtio-.*-pci/.test(arg));
  t.equal(devices.length, 8);
  for (const device of devices) t.match(device, ',disable-legacy=on', device);
});

t.test('qemuArgs() forwards the ports of the user stack, and no others', async (t) => {
  t.equal(
    valueBehind(qemuArgs(microvm, userNetwork, ''), '-netdev'),
    'user,id=net0,net=10.0.2.0/24,ipv6=off,hostfwd=tcp::8080-:80,hostfwd=udp::5353-:53',
  );
  t.equal(
    valueBehind(qemuArgs(microvm, { ...userNetwork, ports: [] }, ''), '-netdev'),
    'user,id=net0,net=10.0.2.0/24,ipv6=off',
  );
  t.equal(
    valueBehind(qemuArgs(microvm, { ...userNetwork, ipv6Subnet: 'fec0::/64', ports: [] }, ''), '-netdev'),
    'user,id=net0,net=10.0.2.0/24,ipv4=on,ipv6=on,ipv6-net=fec0::/64',
  );
});
