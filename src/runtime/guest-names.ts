import { RuntimeError } from '../base/runtime-error.ts';
import { readEngineFile } from '../host/files.ts';
import { guests } from '../unikernel/guests/index.ts';
import { parseHosts } from '../unikernel/hosts-file.ts';
import { guestAddresses } from '../unikernel/network/plan.ts';
import type { GuestNetwork, NetworkPlan } from '../unikernel/network/types.ts';
import { parseSearchDomains } from '../unikernel/resolv-conf.ts';
import type { ContainerRecord } from './record.ts';

/**
 * A network plan with what the container's files say of names, as far as its guest can be told: the search domains of its resolv.conf, such
 * as those of `--dns-search`, and the names of its hosts file, such as those of `--add-host`. An engine has some there that nobody asked for,
 * so what does not fit is a note in the plan and no error.
 * @throws RuntimeError GUEST_UNSUPPORTED for what cannot be said to the guest even without
 */
export function planWithNames(record: ContainerRecord, plan: NetworkPlan): NetworkPlan {
  return planWithHosts(record, planWithSearch(record, plan));
}

function planWithSearch(record: ContainerRecord, plan: NetworkPlan): NetworkPlan {
  const { resolvConf } = record.network;
  if (plan.kind === 'none' || resolvConf === undefined) return plan;
  if (guests[record.machine.guest].takesSearchDomains !== true) return plan;
  const search = parseSearchDomains(readEngineFile(resolvConf) ?? '');
  if (search.length === 0) return plan;
  const guest = { ...plan.guest, search };
  if (fits(record, guest)) return { ...plan, guest };
  const note = "the search domains of /etc/resolv.conf left out, as the guest's command line is full";
  return { ...plan, notes: [...plan.notes, note] };
}

function fits({ guest, machine }: ContainerRecord, network: GuestNetwork): boolean {
  try {
    guests[machine.guest].commandLine({ ...guest, network });
    return true;
  } catch (error) {
    // Whether it is for their sake shows without them.
    if (error instanceof RuntimeError) return false;
    throw error;
  }
}

function planWithHosts(
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
