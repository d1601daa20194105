import { RuntimeError } from '../../base/runtime-error.ts';
import type { MachineSettings } from '../../machine/record.ts';
import type { MachineChanges } from '../../machine/service.ts';
import {
  parseCpus,
  parseLabels,
  parseMemory,
  parsePublished,
  parseRestart,
  type SettingOptions,
} from './settings.ts';

/**
 * What is to be changed of a machine.
 * @throws RuntimeError USAGE if it is nothing, and for what cannot be meant
 */
export function changesFrom(options: SettingOptions, settings: MachineSettings): MachineChanges {
  const { memory, cpus, port, env, restart, restartSec, label } = options;
  const changes: MachineChanges = {
    ...(memory === undefined ? {} : { memoryMiB: parseMemory(memory) }),
    ...(cpus === undefined ? {} : { cpus: parseCpus(cpus) }),
    ...(port === undefined ? {} : { ports: parsePublished(port) }),
    ...(env === undefined ? {} : { env: env.map(checkVariable) }),
    ...(restart === undefined && restartSec === undefined
      ? {}
      : { restart: restartFrom(restart, restartSec, settings) }),
    ...(label === undefined ? {} : { labels: parseLabels(label) }),
  };
  if (Object.keys(changes).length > 0) return changes;
  throw new RuntimeError('USAGE', 'update has nothing to change', {
    hint: 'say what: --memory, --cpus, --port, --env, --restart or --label',
  });
}

function restartFrom(
  policy: string | undefined,
  delay: string | undefined,
  { restart: before }: MachineSettings,
): MachineSettings['restart'] {
  const known = before.retries === undefined ? before.policy : `${before.policy}:${before.retries}`;
  const parsed = parseRestart(policy ?? known, delay);
  return delay === undefined ? { ...parsed, delayMs: before.delayMs } : parsed;
}

function checkVariable(text: string): string {
  if (/^[^=\0\n]+(?:=[^\0\n]*)?$/.test(text)) return text;
  throw new RuntimeError('USAGE', `option --env is ${JSON.stringify(text)}`, {
    hint: 'write NAME=VALUE, or NAME to take it away',
  });
}
