import type { GuestKind } from './guest.ts';
import { unwritable } from './refusal.ts';

export interface Variable {
  readonly name: string;
  readonly value: string;
}

/**
 * The two parts of an environment variable, `K=V`.
 * @param isName which names the guest can have
 * @throws RuntimeError GUEST_UNSUPPORTED for one that is none, or that holds a zero byte, which ends a command line
 */
export function splitVariable(entry: string, guest: GuestKind, isName: RegExp): Variable {
  const equals = entry.indexOf('=');
  const name = equals === -1 ? entry : entry.slice(0, equals);
  if (equals === -1 || !isName.test(name) || entry.includes('\0')) {
    throw unwritable(
      `environment variable ${JSON.stringify(name)}`,
      guest,
      'it must be NAME=VALUE, with a name that the guest can take',
    );
  }
  return { name, value: entry.slice(equals + 1) };
}
