const entry = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]+:[0-9A-F]{4}) ([0-9A-F]{2}) /;

/**
 * The ports of a network namespace at which nobody else can listen, as a socket waits there already.
 * @param text of `/proc/PID/net/tcp`, `tcp6`, `udp` or `udp6`, or of several
 * @param address at which somebody is to listen: an IPv4 one, `0.0.0.0` for all of those, or `::` for all of both families
 * @see proc_pid_net(5); Linux net/ipv4/tcp_ipv4.c, get_tcp4_sock, net/ipv6/tcp_ipv6.c, get_tcp6_sock
 */
export function parseListeningPorts(text: string, address = '0.0.0.0'): ReadonlySet<number> {
  const ports = new Set<number>();
  const blocks = address === '::' ? () => true : blockerOf(address);
  for (const line of text.split('\n')) {
    const [, local = '', port = '', remote = '', state] = entry.exec(line) ?? [];
    // 0A: a listening TCP socket. 07: a UDP socket that is not connected.
    const isWaiting = state === '0A' || (state === '07' && /^0+:0000$/.test(remote));
    if (isWaiting && blocks(local)) ports.add(Number.parseInt(port, 16));
  }
  return ports;
}

/** Which addresses of sockets, as the kernel writes them, are in the way of one for IPv4. */
function blockerOf(address: string): (local: string) => boolean {
  const own = hexOfIpv4(address);
  return (local) => {
    const ipv4 = ipv4Part(local);
    return ipv4 !== undefined && (ipv4 === own || ipv4 === allIpv4 || own === allIpv4);
  };
}

const allIpv4 = '00000000';
/** ::ffff:0.0.0.0 up to its last four bytes; the kernel writes words of four bytes, each as the host has numbers. */
const mappedPrefix = '0000000000000000FFFF0000';

/** What of IPv4 a socket's address takes; :: does all of it, too, unless its owner said otherwise, which the kernel does not show. */
function ipv4Part(local: string): string | undefined {
  if (local.length === 8) return local;
  if (local.startsWith(mappedPrefix)) return local.slice(mappedPrefix.length);
  return /^0+$/.test(local) ? allIpv4 : undefined;
}

function hexOfIpv4(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return bytes.toReversed().join('').toUpperCase();
}
