import { diagnose, repair } from '../../machine/doctor.ts';
import { print } from '../print.ts';
import type { MachineContext } from './context.ts';

/**
 * `machine doctor`: what does not fit together, a line each.
 * @param fixes whether to repair it
 * @returns 1 if something is still wrong
 */
export async function doctor({ host, machines }: MachineContext, fixes: boolean): Promise<number> {
  const findings = await diagnose(host, machines);
  if (findings.length === 0) print('nothing is wrong\n');
  let isWrong = false;
  for (const finding of findings) {
    const isRepaired = fixes && (await repair(host, machines, finding));
    isWrong ||= !isRepaired;
    const remedy = isRepaired ? `repaired: ${finding.remedy}` : `remedy: ${finding.remedy}`;
    print(`${finding.name}: ${finding.what}\n  ${remedy}\n`);
  }
  return isWrong ? 1 : 0;
}
