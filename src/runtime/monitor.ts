import { qmpCommand } from '../host/qmp.ts';
import type { ContainerCall } from './container.ts';
import { isAlive } from './init-process.ts';
import type { ContainerRecord } from './record.ts';

/** QEMU answers in microseconds; one that does not is not worth an engine's patience. */
const usualPatienceMs = 500;

/**
 * Say a command to the QEMU of a container.
 * @returns whether it was done; not if there is no QEMU, or it does not answer in time
 */
export async function askMonitor(
  { init }: ContainerRecord,
  command: string,
  timeoutMs = usualPatienceMs,
): Promise<boolean> {
  return init !== undefined && isAlive(init) && (await qmpCommand(init.pid, command, timeoutMs));
}

/** Press the power button of a guest that has one, if its machine is there. */
export async function pressPowerButton(call: ContainerCall, record: ContainerRecord): Promise<void> {
  if (!record.machine.powerButton || record.init === undefined) return;
  const isPressed = await askMonitor(record, 'system_powerdown');
  call.log('power button', { isPressed });
}
