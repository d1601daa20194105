import { existsSync } from 'node:fs';
import { RuntimeError } from '../../base/runtime-error.ts';
import type { Scope } from '../places.ts';

/** Whether systemd manages the host, or the user's session. @see sd_booted(3) */
export function isSystemdThere(scope: Scope, env: NodeJS.ProcessEnv): boolean {
  if (scope === 'system') return existsSync('/run/systemd/system');
  return env.XDG_RUNTIME_DIR !== undefined && existsSync(`${env.XDG_RUNTIME_DIR}/systemd/private`);
}

/** @throws RuntimeError SYSTEMD_MISSING */
export function requireSystemd(scope: Scope, env: NodeJS.ProcessEnv): void {
  if (isSystemdThere(scope, env)) return;
  throw scope === 'system'
    ? new RuntimeError('SYSTEMD_MISSING', 'systemd does not run on this host', {
        hint: 'leave out --systemd: the machine is then kept by ucrun alone',
      })
    : new RuntimeError('SYSTEMD_MISSING', 'the user has no systemd of its own running', {
        hint: 'log in anew, or "loginctl enable-linger" for it to be there without a login; or leave out --systemd',
      });
}
