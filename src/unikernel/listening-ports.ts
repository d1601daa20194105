/**
 * The ports that IPv4 sockets of a network namespace wait at.
 * @param text of `/proc/PID/net/tcp` or `/proc/PID/net/udp`
 * @see proc_pid_net(5); Linux net/ipv4/tcp_ipv4.c, get_tcp4_sock
 */
export function parseListeningPorts(text: string): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const line of text.split('\n')) {
    const [, port, remote, state] =
      /^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4}) ([0-9A-F]{8}:[0-9A-F]{4}) ([0-9A-F]{2}) /.exec(line) ?? [];
    if (port === undefined) continue;
    // 0A: a listening TCP socket. 07: a UDP socket that is not connected.
    if (state === '0A' || (state === '07' && remote === '00000000:0000'))
      ports.add(Number.parseInt(port, 16));
  }
  return ports;
}
