import { spawn } from 'node:child_process';
import { readTextIfThere } from '../host/files.ts';
import type { Call } from './container.ts';
import type { ContainerRecord } from './record.ts';

/** A unit of systemd's, and whether it is a user manager's. */
export interface ScopeUnit {
  readonly unit: string;
  readonly isUser: boolean;
}

/**
 * Name the unikernel in the description of the systemd scope that its sandbox is in, if it is in one. crun says "libcrun container" of
 * every container, after what annotations say (cgroup-systemd.c), so it is said once crun has made the scope. It goes with the scope.
 *
 * Nobody waits for it: the container starts all the same where systemd cannot be asked.
 * @param pid of the sandbox's first process
 */
export function describeScope({ env, log }: Call, record: ContainerRecord, pid: number): void {
  const scope = scopeOf(readTextIfThere(`/proc/${pid}/cgroup`) ?? '', record.id);
  if (scope === undefined || descriptionAnnotation in record.annotations) return;
  const description = record.unikernel ?? `of type ${record.machine.guest}`;
  const manager = scope.isUser ? ['--user'] : [];
  const args = [...manager, 'set-property', '--runtime', scope.unit, `Description=unikernel ${description}`];
  log('scope described', { ...scope, description });
  const systemctl = spawn('systemctl', args, { env, stdio: 'ignore', detached: true });
  systemctl.on('error', () => undefined);
  systemctl.unref();
}

/** Who set this has said what the scope is to be called. */
const descriptionAnnotation = 'org.systemd.property.Description';

/**
 * The scope that an engine and crun have made for a container, out of the text of `/proc/PID/cgroup`. Pure.
 * @see cgroups(7); systemd.scope(5)
 */
export function scopeOf(cgroups: string, id: string): ScopeUnit | undefined {
  for (const line of cgroups.split('\n')) {
    const [, path = ''] = /^\d+:(?:name=systemd)?:(\/.*)$/.exec(line) ?? [];
    const unit = path.split('/').findLast((name) => name.endsWith('.scope') && name.includes(id));
    if (unit !== undefined) return { unit, isUser: /\/user@\d+\.service\//.test(path) };
  }
  return undefined;
}
