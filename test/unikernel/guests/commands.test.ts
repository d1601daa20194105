/** The whole way from what a container has to QEMU's command line, for every guest type. */
import t from 'tap';
import { RuntimeError } from '../../../src/base/runtime-error.ts';
import { defaultConfig } from '../../../src/unikernel/config-defaults.ts';
import { parseDefinition, rootOf, shareDriverOf } from '../../../src/unikernel/definition.ts';
import { type GuestInput, type GuestKind, guestKinds } from '../../../src/unikernel/guests/guest.ts';
import { guests } from '../../../src/unikernel/guests/index.ts';
import type { KernelFormat } from '../../../src/unikernel/kernel-format.ts';
import { planMachine } from '../../../src/unikernel/machine.ts';
import type { NetworkPlan } from '../../../src/unikernel/network/types.ts';
import { qemuArgs } from '../../../src/unikernel/qemu-args.ts';
import { planVolumes, type VolumeRequest } from '../../../src/unikernel/volumes.ts';
import { goldenFiles, matchesGolden } from '../support/golden.ts';
import { bothFamilies, ipv4Only } from '../support/guest-inputs.ts';
import { noNetwork, tapNetwork, tcg } from '../support/plans.ts';

interface Told {
  readonly network: NetworkPlan;
  readonly env: readonly string[];
  readonly args: readonly string[];
  readonly volumes: readonly VolumeRequest[];
}

const networks: Readonly<Record<string, NetworkPlan>> = {
  'no network': noNetwork,
  IPv4: { ...tapNetwork, guest: ipv4Only },
  'IPv4 and IPv6': { ...tapNetwork, guest: bothFamilies },
};
const environments: Readonly<Record<string, readonly string[]>> = {
  'no environment': [],
  'awkward environment': ['A=hello world', "B=it's", 'C=', 'D=a:b,c;d=e', 'E=é', 'F=x]', 'G=\\n$H'],
};
const awkwardArgs = ['/serve', '-v', 'a b', "it's", 'x=y,z;', '\\'];

const definitions: Readonly<Record<GuestKind, object>> = {
  raw: { cmdline: 'ip={ipv4}/{ipv4_prefix} ip6={ipv6}/{ipv6_prefix} {args}' },
  linux: { initrd: 'i', cmdline: 'loglevel=2' },
  unikraft: { initrd: 'i' },
  nanos: { disk: 'd.img' },
  mirage: { cmdline: '--solo5:quiet' },
  hermit: { initrd: 'i' },
  mewz: {},
  osv: { disk: 'd.qcow2' },
};
const formats: Readonly<Record<KernelFormat['kind'], KernelFormat>> = {
  bzimage: { kind: 'bzimage' },
  'pvh-elf': { kind: 'pvh-elf', bits: 64 },
  'multiboot-elf': { kind: 'multiboot-elf', bits: 32 },
};

/** An argument a line, with the guest's own command line behind `-append`; the text of the error where it is refused. */
function command(guest: GuestKind, { network, env, args, volumes: requests }: Told): readonly string[] {
  const support = guests[guest];
  const definition = parseDefinition({ guest, kernel: 'k', ...definitions[guest] }, 'a test');
  const [formatKind = 'pvh-elf'] = support.formats;
  try {
    const takes = { share: shareDriverOf(definition), disk: support.volumes.disk };
    const volumes = planVolumes(requests, guest, takes, definition.disks.length);
    const input: GuestInput = {
      cmdline: definition.cmdline,
      version: definition.version,
      args,
      env,
      workingDirectory: undefined,
      hostname: 'web',
      root: rootOf(definition),
      volumes: volumes.map((volume) => volume.guest),
      network: network.kind === 'none' ? undefined : network.guest,
      port: undefined,
    };
    const machine = planMachine({
      definition,
      format: formats[formatKind],
      volumes,
      rootShare: undefined,
      limits: { memoryLimitBytes: undefined, cpuQuota: undefined, cpusetSize: undefined },
      config: defaultConfig,
      accelerator: tcg,
      qemu: '/usr/bin/qemu-system-x86_64',
      virtiofsd: undefined,
      hasPasst: false,
      loadedBytes: 20_000,
    });
    return qemuArgs(machine, network, support.commandLine(input));
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    return [`${error.code}: ${error.message}`, `hint: ${error.hint}`];
  }
}

/** What another command line has that the first has not, and the other way round, in their order. */
function difference(first: readonly string[], other: readonly string[]): readonly string[] {
  if (other[1]?.startsWith('hint: ')) return other;
  const without = (lines: readonly string[], removed: readonly string[]) => {
    const left = [...removed];
    return lines.filter((line) => {
      const at = left.indexOf(line);
      if (at !== -1) left.splice(at, 1);
      return at === -1;
    });
  };
  return [
    ...without(first, other).map((line) => `- ${line}`),
    ...without(other, first).map((line) => `+ ${line}`),
  ];
}

t.test('a guest type makes of a container this command line', async (t) => {
  for (const guest of guestKinds) {
    const isDisk = guests[guest].volumes.disk && guests[guest].volumes.shares.length === 0;
    const volumes: Readonly<Record<string, readonly VolumeRequest[]>> = {
      'no volume': [],
      'a volume': [
        isDisk
          ? { destination: '/data', source: '/v/data.img', sourceKind: 'file', readOnly: true }
          : { destination: '/data', source: '/v/data', sourceKind: 'directory', readOnly: true },
      ],
    };
    const cases = Object.entries(networks).flatMap(([network, networkPlan]) =>
      Object.entries(environments).flatMap(([environment, env]) =>
        Object.entries(volumes).map(([volume, requests]): readonly [string, Told] => [
          `${network}, ${environment}, ${volume}`,
          { network: networkPlan, env, args: [], volumes: requests },
        ]),
      ),
    );
    const [, least] = cases[0] as readonly [string, Told];
    const base = command(guest, least);
    const shown = [
      ...cases,
      ['no network, awkward arguments', { ...least, args: awkwardArgs }] as const,
      ['no network, an empty argument', { ...least, args: [''] }] as const,
    ].map(([name, told], index) => {
      const lines = index === 0 ? base : difference(base, command(guest, told));
      return `# ${name}\n${lines.map((line) => `${line}\n`).join('')}`;
    });
    matchesGolden(t, `guests/${guest}.args`, shown.join('\n'));
  }
  t.strictSame(goldenFiles('guests'), guestKinds.map((kind) => `${kind}.args`).sort());
});
