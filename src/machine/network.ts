import { createHash } from 'node:crypto';
import { RuntimeError } from '../base/runtime-error.ts';
import { linkNames, readBridges, removeLinks } from '../host/bridge-ports.ts';
import { readTextIfThere } from '../host/files.ts';
import { guests } from '../unikernel/guests/index.ts';
import { planBridges } from '../unikernel/network/bridge-plan.ts';
import type { NetworkPlan } from '../unikernel/network/types.ts';
import { planUser } from '../unikernel/network/user-plan.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import { parseNameServers } from '../unikernel/resolv-conf.ts';
import type { MachineHost } from './host.ts';
import type { MachinePlaces } from './places.ts';
import type { MachineNetwork, MachineRecord } from './record.ts';
import type { ResolvedMachine } from './resolve.ts';

/**
 * How a machine's guest is joined to the network.
 * @param ports where QEMU itself is to listen
 * @throws RuntimeError NETWORK_UNSUPPORTED
 */
export function planMachineNetwork(
  { places }: MachineHost,
  { name, settings: { network } }: Pick<MachineRecord, 'name' | 'settings'>,
  { plan }: ResolvedMachine,
  ports: readonly PortMapping[],
): NetworkPlan {
  switch (network.kind) {
    case 'none':
      return { kind: 'none', notes: [] };
    case 'user':
      return planUser(undefined, ports, []);
    case 'bridge': {
      if (places.scope === 'user') throw needsRoot(network);
      return planBridges({
        ...network,
        taps: network.cards.map((_, index) => `${tapPrefix(name)}${index}`),
        bridges: readBridges(),
        nameServers: network.nameServers ?? hostNameServers(),
        guest: plan.guest,
        abilities: guests[plan.guest].network,
        cpus: plan.cpus,
      });
    }
  }
}

/** What the taps of a machine of the host's are called, but for a digit: an interface's name has room for 15 letters. */
export function tapPrefix(machine: string): string {
  return `ucm${createHash('sha256').update(machine).digest('hex').slice(0, 8)}-`;
}

/** The taps of machines that there are, of one if it is named. */
export function machineTaps(machine?: string): readonly string[] {
  const prefix = machine === undefined ? undefined : tapPrefix(machine);
  return linkNames().filter((name) =>
    prefix === undefined ? /^ucm[0-9a-f]{8}-\d$/.test(name) : name.startsWith(prefix),
  );
}

/** Remove what joined a machine to bridges, whatever there is of it. Only the host's machines have such. */
export function leaveBridges({ scope }: MachinePlaces, machine: string): void {
  if (scope === 'system') removeLinks(machineTaps(machine));
}

/** The addresses that a guest is told at which others reach it, too. */
export function machineAddresses(network: MachineNetwork): readonly string[] {
  if (network.kind !== 'bridge') return [];
  return network.cards.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((entry) => (entry === undefined ? [] : [entry.address])),
  );
}

/**
 * Two machines with one address would have neither answer.
 * @throws RuntimeError NETWORK_UNSUPPORTED
 */
export function requireOwnAddresses(network: MachineNetwork, others: readonly MachineRecord[]): void {
  if (network.kind !== 'bridge') return;
  for (const other of others) {
    const { network: taken } = other.settings;
    if (taken.kind !== 'bridge') continue;
    for (const card of network.cards) {
      const clash = taken.cards
        .filter(({ bridge }) => bridge === card.bridge)
        .flatMap(({ mac, ipv4, ipv6 }) => [
          mac === card.mac ? mac : undefined,
          ipv4?.address === card.ipv4?.address ? ipv4?.address : undefined,
          ipv6?.address === card.ipv6?.address ? ipv6?.address : undefined,
        ])
        .find((address) => address !== undefined);
      if (clash === undefined) continue;
      throw new RuntimeError(
        'NETWORK_UNSUPPORTED',
        `machine "${other.name}" has ${clash} on bridge "${card.bridge}" already`,
        { hint: 'give the new one another' },
      );
    }
  }
}

/** @throws RuntimeError PORT_INVALID for a machine whose guest has an address of its own */
export function refusePorts({ name, settings }: MachineRecord): void {
  if (settings.network.kind !== 'bridge') return;
  throw new RuntimeError('PORT_INVALID', `machine "${name}" is on a bridge, and publishes no ports`, {
    hint: "its guest's ports are at its own address",
  });
}

/** Not those that only the host itself reaches. systemd-resolved, which is one, keeps the others in a file of its own. */
function hostNameServers(): readonly string[] {
  for (const file of ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']) {
    const servers = parseNameServers(readTextIfThere(file) ?? '').filter(
      (server) => !server.startsWith('127.') && server !== '::1',
    );
    if (servers.length > 0) return servers;
  }
  return [];
}

function needsRoot(network: MachineNetwork & { readonly kind: 'bridge' }): RuntimeError {
  return new RuntimeError(
    'NETWORK_UNSUPPORTED',
    `a machine on bridge "${network.cards[0]?.bridge}" is root's to run: nobody else may join an interface to a bridge`,
    {
      hint: 'make it with sudo as a machine of the host, or leave out --network and publish its ports with --port',
    },
  );
}
