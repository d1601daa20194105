/**
 * The name servers of a resolv.conf, in order.
 * @see resolv.conf(5)
 */
export function parseNameServers(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
}

/** More than musl's resolver remembers at once. @see musl src/network/resolvconf.c */
const mostSearchBytes = 255;

/**
 * The domains that are tried behind a name, in order: those of the last line that has any, and as many as every C library takes. What is no
 * domain is left out, such as the `.` by which engines say that there is none.
 * @see resolv.conf(5)
 */
export function parseSearchDomains(text: string): readonly string[] {
  const lists = [...text.matchAll(/^\s*(?:search|domain)[ \t]+([^#;\r\n]*)/gm)].map(([, list = '']) => list);
  const domains: string[] = [];
  let bytes = 0;
  for (const domain of (lists.at(-1) ?? '').trim().split(/\s+/)) {
    bytes += domain.length + 1;
    if (bytes > mostSearchBytes) break;
    if (/^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?$/i.test(domain)) domains.push(domain);
  }
  return domains;
}
