import type { HostEntry } from '../hosts-file.ts';

/**
 * The value of the variable by which init of a Linux guest gets names: entries with semicolons between, each an address, `=`, and names
 * with commas between. Addresses and names are plain, so that nothing needs a quote.
 *
 *     192.0.2.7=db,db.example;2001:db8::1=six
 */
export function hostsValue(hosts: readonly HostEntry[]): string {
  return hosts.map(({ address, names }) => `${address}=${names.join(',')}`).join(';');
}

/** The entries that fit, in order. @param room bytes for the variable's value */
export function hostsWithin(hosts: readonly HostEntry[], room: number): readonly HostEntry[] {
  let left = room + ';'.length;
  return hosts.filter((entry) => {
    const length = hostsValue([entry]).length + ';'.length;
    if (length > left) return false;
    left -= length;
    return true;
  });
}
