/** :: takes IPv4 connections, too, unless its owner said otherwise, which the kernel does not show; ::ffff:a.b.c.d does. */
const address = '[0-9A-F]{8}|0{32}|0{16}0000FFFF[0-9A-F]{8}';
const entry = new RegExp(`^\\s*\\d+: (?:${address}):([0-9A-F]{4}) ([0-9A-F]+:[0-9A-F]{4}) ([0-9A-F]{2}) `);

/**
 * The ports that sockets of a network namespace wait at for IPv4.
 * @param text of `/proc/PID/net/tcp`, `tcp6`, `udp` or `udp6`, or of several
 * @see proc_pid_net(5); Linux net/ipv4/tcp_ipv4.c, get_tcp4_sock, net/ipv6/tcp_ipv6.c, get_tcp6_sock
 */
export function parseListeningPorts(text: string): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const line of text.split('\n')) {
    const [, port, remote, state] = entry.exec(line) ?? [];
    if (port === undefined) continue;
    // 0A: a listening TCP socket. 07: a UDP socket that is not connected.
    if (state === '0A' || (state === '07' && /^0+:0000$/.test(remote ?? '')))
      ports.add(Number.parseInt(port, 16));
  }
  return ports;
}
