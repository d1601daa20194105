/** A TCP connection of QEMU's user network stack that came from outside. */
export interface UserStackConnection {
  /** As the stack names it: `SYN_SENT` as long as the guest has not taken it. */
  readonly state: string;
  readonly guestPort: number;
}

/**
 * The TCP connections in the answer to QEMU's monitor command `info usernet`. What cannot be one is left out.
 * @see QEMU net/slirp.c; libslirp src/misc.c, slirp_connection_info
 */
export function userStackConnections(text: string): readonly UserStackConnection[] {
  // TCP[ESTABLISHED]   14       127.0.0.1  8080       10.0.2.15  8080     0     0
  return [...text.matchAll(/^\s*TCP\[(\w+)\]\s+\d+\s+\S+\s+\d+\s+\S+\s+(\d+)\s/gm)].map(
    ([, state = '', port]) => ({ state, guestPort: Number(port) }),
  );
}

/** Whether the guest has taken what came to its port: one connection that nobody has answered speaks against it. */
export function hasAccepted(connections: readonly UserStackConnection[], guestPort: number): boolean {
  const states = connections
    .filter((connection) => connection.guestPort === guestPort)
    .map(({ state }) => state);
  return states.includes('ESTABLISHED') && !states.includes('SYN_SENT') && !states.includes('SYN_RECEIVED');
}
