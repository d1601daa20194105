import { readEngineFile } from '../host/files.ts';
import { guests } from '../unikernel/guests/index.ts';
import { parseHosts } from '../unikernel/hosts-file.ts';
import { guestAddresses } from '../unikernel/network/plan.ts';
import type { NetworkPlan } from '../unikernel/network/types.ts';
import type { ContainerRecord } from './record.ts';

/**
 * A network plan with the names of the container's hosts file, such as those of `--add-host`, as far as its guest can be told them.
 * An engine has names there that nobody asked for, so what does not fit is a note in the plan and no error.
 * @throws RuntimeError GUEST_UNSUPPORTED for what cannot be said to the guest even without
 */
export function planWithHosts(
  { network: { hostsFile }, guest, machine }: ContainerRecord,
  plan: NetworkPlan,
): NetworkPlan {
  const { fittingHosts } = guests[machine.guest];
  if (plan.kind === 'none' || hostsFile === undefined || fittingHosts === undefined) return plan;
  const own = { addresses: guestAddresses(plan), hostname: guest.hostname };
  const hosts = parseHosts(readEngineFile(hostsFile) ?? '', own);
  if (hosts.length === 0) return plan;
  const told = fittingHosts({ ...guest, network: plan.guest }, hosts);
  const missing = hosts.length - told.length;
  const note = `${missing} of the ${hosts.length} entries of /etc/hosts left out, as the guest's command line is full`;
  return {
    ...plan,
    guest: { ...plan.guest, hosts: told },
    notes: missing === 0 ? plan.notes : [...plan.notes, note],
  };
}
