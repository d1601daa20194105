import type { PortMapping } from '../ports.ts';
import { sandboxPaths } from '../sandbox-paths.ts';
import type { SandboxServer } from '../sandbox-server.ts';
import type { PasstPlan } from './types.ts';

/** passt's own card, as the guest sees it. Its usual one is that of the container's interface, which the guest has. */
const passtMac = '02:75:63:00:00:02';

/** Whom passt is to run as: the user that it has already, by numbers inside the sandbox. */
export interface PasstUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The passt that joins a guest to the container's network. It takes connections at the guest's ports on every address of the network
 * namespace and passes them on, makes those that the guest asks for, and tells the guest its addresses over DHCP, NDP and DHCPv6.
 *
 * The gateway is not taken for the namespace's own 127.0.0.1: what listens there, such as podman's name server, could not be reached.
 * It ends when QEMU has.
 * Pure: paths are those inside the sandbox.
 * @param program an absolute path
 * @see passt(1)
 */
export function passtServer(program: string, plan: PasstPlan, { uid, gid }: PasstUser): SandboxServer {
  const [card] = plan.guest.cards;
  const ipv4 = card?.ipv4;
  const ipv6 = card?.ipv6;
  return {
    name: 'passt',
    command: [
      program,
      '--foreground',
      '--quiet',
      '--one-off',
      '--socket',
      plan.socket,
      '--pid',
      sandboxPaths.passtReady,
      // Where root has no capabilities it could not become nobody, as passt would have it.
      ...(uid === 0 ? ['--runas', `${uid}:${gid}`] : []),
      '--interface',
      plan.link,
      '--mac-addr',
      passtMac,
      '--mtu',
      String(plan.mtu),
      '--no-map-gw',
      ...(ipv4 === undefined
        ? ['--ipv6-only']
        : [
            ...['--address', ipv4.address, '--netmask', String(ipv4.prefixLength)],
            ...optional('--gateway', card?.ipv4Gateway),
          ]),
      ...(ipv6 === undefined
        ? ['--ipv4-only']
        : ['--address', ipv6.address, ...optional('--gateway', card?.ipv6Gateway)]),
      ...optional('--dns-forward', plan.nameServerInside),
      ...plan.ports.flatMap(({ protocol, host, guest }) => [
        protocol === 'tcp' ? '--tcp-ports' : '--udp-ports',
        portSpec(host, guest),
      ]),
    ],
    ready: sandboxPaths.passtReady,
    errors: sandboxPaths.passtErrors,
  };
}

function optional(option: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [option, value];
}

function portSpec(host: PortMapping['host'], guest: PortMapping['guest']): string {
  return host === guest ? String(host) : `${host}:${guest}`;
}
