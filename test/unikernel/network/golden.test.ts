/** The whole way from what is in a network namespace to the commands for ip and tc and to QEMU's arguments. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { RuntimeError } from '../../../src/base/runtime-error.ts';
import type { GuestKind } from '../../../src/unikernel/guests/guest.ts';
import { guests } from '../../../src/unikernel/guests/index.ts';
import { parseNamespaceFacts } from '../../../src/unikernel/network/facts.ts';
import { planNetwork } from '../../../src/unikernel/network/plan.ts';
import { tapBatches, tapTeardown } from '../../../src/unikernel/network/tap-batches.ts';
import { qemuArgs } from '../../../src/unikernel/qemu-args.ts';
import { fixture } from '../support/fixtures.ts';
import { goldenFiles, matchesGolden } from '../support/golden.ts';
import { nothing } from '../support/guest-inputs.ts';
import { q35 } from '../support/plans.ts';

const ipv6Routes = `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n`;
const kinds = ['linux', 'raw', 'unikraft', 'mirage'] as const satisfies readonly GuestKind[];
const mark = '0123456789ab';
const ways = [
  ['tap', { mode: 'auto' }],
  ['user', { mode: 'user' }],
] as const;

function described(name: string, guest: GuestKind, change: { readonly mode: 'auto' | 'user' }): string {
  const { network: abilities } = guests[guest];
  const plan = planNetwork({
    ...change,
    facts: parseNamespaceFacts(fixture(`ip/${name}.txt`), name === 'cloud' ? ipv6Routes : ''),
    isShared: false,
    isRootless: false,
    hasTun: true,
    hasIpv6: name === 'cloud',
    hasVhost: false,
    isToldAddress: true,
    ports: [{ host: 8080, guest: 80, protocol: 'tcp' }],
    nameServers: ['10.88.0.1', 'fd00::53'],
    guest,
    abilities,
    cpus: 2,
  });
  const network = plan.kind === 'none' ? undefined : plan.guest;
  const commandLine = guests[guest].commandLine({
    ...nothing,
    cmdline: guest === 'raw' ? '{ipv4}/{ipv4_prefix} {ipv4_gateway} {ipv6} {ipv4:2} {mac:2}' : '',
    hostname: 'web',
    network,
  });
  const args = qemuArgs({ ...q35, guest, cpus: 2 }, plan, commandLine);
  const ofNetwork = args.filter((arg, at) =>
    /^(?:-netdev|-nic)$|^virtio-net/.test(arg) ? true : /^(?:-netdev|-nic|-append)$/.test(args[at - 1] ?? ''),
  );
  const batches =
    plan.kind === 'tap'
      ? [tapBatches(plan.taps, 64999, mark), tapTeardown(plan.taps, mark)].map(
          ({ ip, tc }) => `ip:\n${ip}tc:\n${tc}`,
        )
      : [];
  return [JSON.stringify(plan, undefined, 1), ...batches, `qemu:\n${ofNetwork.join('\n')}`].join('\n');
}

t.test('a namespace becomes a plan, the plan batches and arguments', async (t) => {
  const names = readdirSync('test/fixtures/ip').map((file) => file.replace(/\.txt$/, ''));
  t.ok(names.length >= 6, names.join());
  for (const name of names) {
    const parts = kinds.flatMap((guest) =>
      ways.map(([way, change]) => {
        try {
          return `# ${guest}, ${way}\n${described(name, guest, change)}\n`;
        } catch (error) {
          if (!(error instanceof RuntimeError)) throw error;
          return `# ${guest}, ${way}\n${error.code}: ${error.message}\n`;
        }
      }),
    );
    matchesGolden(t, `network/${name}.txt`, parts.join('\n'));
  }
  t.strictSame(goldenFiles('network'), names.map((name) => `${name}.txt`).sort());
});
