import { findTool } from '../host/tools.ts';
import type { MachineHost } from './host.ts';
import { cpuQuota, memoryMax } from './limits.ts';
import type { MachineRecord } from './record.ts';
import { isSystemdThere } from './systemd/booted.ts';

/**
 * What goes before the program of a machine that no unit keeps, so that on a host with systemd it has the limits of one all the same.
 * @see systemd-run(1)
 */
export function scopeCommand(host: MachineHost, record: MachineRecord): readonly string[] {
  const { scope } = host.places;
  const program = isSystemdThere(scope, host.env) ? findTool('systemd-run', host.env.PATH) : undefined;
  if (program === undefined) return [];
  const quota = cpuQuota(record.settings);
  return [
    program,
    ...(scope === 'user' ? ['--user'] : []),
    '--scope',
    '--quiet',
    '--collect',
    `--unit=ucrun-${record.name}.scope`,
    `--description=unikernel ${record.name} (${record.plan.guest})`,
    `--property=MemoryMax=${memoryMax(record.plan)}M`,
    ...(quota === undefined ? [] : [`--property=CPUQuota=${quota}%`]),
    '--',
  ];
}
