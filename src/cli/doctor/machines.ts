import { diagnose, type Finding, isRepairable } from '../../machine/doctor.ts';
import type { MachineHost } from '../../machine/host.ts';
import { machinePlaces } from '../../machine/places.ts';
import { MachineRouter } from '../../machine/router.ts';
import { type Check, not, ok } from './check.ts';
import type { DoctorContext } from './context.ts';

/** The machines without an engine: the host's for root, a user's own for everybody else. */
export async function machineChecks(context: DoctorContext): Promise<readonly Check[]> {
  const { config, env, euid, isHostRoot, stateRoot } = context;
  const host: MachineHost = {
    places: machinePlaces(isHostRoot ? 'system' : 'user', env, euid),
    config,
    env,
    isRoot: isHostRoot,
    stateRoot,
    self: process.execPath,
  };
  const machines = new MachineRouter(host);
  const { length } = machines.store.names();
  return machineFindings(await diagnose(host, machines), length);
}

/** What is to be said of the machines. Pure. */
export function machineFindings(findings: readonly Finding[], count: number): readonly Check[] {
  if (findings.length === 0) return [ok('machines', count === 0 ? 'none' : String(count))];
  return findings.map((finding) =>
    not(
      'warning',
      `machine ${finding.name}`,
      finding.what,
      isRepairable(finding) ? 'ucrun machine doctor --fix' : finding.remedy,
    ),
  );
}
