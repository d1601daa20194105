import { RuntimeError } from '../base/runtime-error.ts';

/** A port of the guest, and the port on which the user network stack offers it. */
export interface PortMapping {
  /** The host's IPv4 address to listen at; undefined: all. */
  readonly address?: string | undefined;
  readonly host: number;
  readonly guest: number;
  readonly protocol: 'tcp' | 'udp';
}

/**
 * Read a list of ports as the variable PORT has it: `8080`, `8080,9090/udp`, `8080:80`; empty means none.
 * @param source what to name in an error: `PORT`, `unikernel.json`
 * @throws RuntimeError PORT_INVALID
 */
export function parsePorts(text: string, source: string): readonly PortMapping[] {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const ports = entries.map((entry) => parsePort(entry, source));
  for (const [index, port] of ports.entries()) {
    const earlier = ports.findIndex((other) => other.host === port.host && other.protocol === port.protocol);
    if (earlier < index) {
      throw new RuntimeError('PORT_INVALID', `${source} names port ${port.host}/${port.protocol} twice`, {
        hint: "give each of the guest's ports an outside port of its own, such as 8080:80,8081:81",
      });
    }
  }
  return ports;
}

function parsePort(entry: string, source: string): PortMapping {
  const match = /^(?:(\d{1,5}):)?(\d{1,5})(?:\/(tcp|udp))?$/.exec(entry);
  const guest = Number(match?.[2]);
  const host = Number(match?.[1] ?? guest);
  if (match === null || !isPort(guest) || !isPort(host)) {
    throw new RuntimeError('PORT_INVALID', `"${entry}" in ${source} is not a port`, {
      hint: 'write ports from 1 to 65535 as 8080, 8080:80 (outside:guest) or 9090/udp, separated by commas',
    });
  }
  return { host, guest, protocol: match[3] === 'udp' ? 'udp' : 'tcp' };
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}
