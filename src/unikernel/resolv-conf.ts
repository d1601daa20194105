/**
 * The name servers of a resolv.conf, in order.
 * @see resolv.conf(5)
 */
export function parseNameServers(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
}
