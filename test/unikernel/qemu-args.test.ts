import t from 'tap';
import type { MachinePlan } from '../../src/unikernel/machine.ts';
import type { NetworkPlan } from '../../src/unikernel/network-plan.ts';
import { qemuArgs } from '../../src/unikernel/qemu-args.ts';
import { goldenFiles, matchesGolden } from './support/golden.ts';
import { kvm, microvm, noNetwork, q35, tapNetwork, tcg, userNetwork } from './support/plans.ts';

const models = { microvm, q35, 'q35-seabios': { ...q35, firmware: undefined } } as const;
const networks: Readonly<Record<NetworkPlan['kind'], NetworkPlan>> = {
  tap: tapNetwork,
  user: userNetwork,
  none: noNetwork,
};
const accelerators = { tcg, kvm } as const;

/** The machines of the golden files, each under the name of its file. */
const machines: readonly (readonly [name: string, machine: MachinePlan, network: NetworkPlan])[] =
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

t.test('qemuArgs() forwards the ports of the user stack, and no others', async (t) => {
  t.equal(
    valueBehind(qemuArgs(microvm, userNetwork, ''), '-netdev'),
    'user,id=net0,net=10.0.2.0/24,ipv6=off,hostfwd=tcp::8080-:80,hostfwd=udp::5353-:53',
  );
  t.equal(
    valueBehind(qemuArgs(microvm, { ...userNetwork, ports: [] }, ''), '-netdev'),
    'user,id=net0,net=10.0.2.0/24,ipv6=off',
  );
});
