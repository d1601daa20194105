import { RuntimeError } from '../../base/runtime-error.ts';
import type { GuestKind } from './guest.ts';

/** The error for what a guest's command line has no way to write. */
export function unwritable(what: string, guest: GuestKind, hint: string): RuntimeError {
  return new RuntimeError('GUEST_UNSUPPORTED', `${what} cannot be given to a guest of type "${guest}"`, {
    hint,
  });
}

/**
 * A command line whose length the guest can take. Too long a one it would cut, or crash on.
 * @param most in bytes
 * @throws RuntimeError GUEST_UNSUPPORTED
 */
export function fittingLine(line: string, guest: GuestKind, most: number): string {
  const length = Buffer.byteLength(line);
  if (length <= most) return line;
  throw new RuntimeError(
    'GUEST_UNSUPPORTED',
    `the command line is ${length} bytes long, and a guest of type "${guest}" takes at most ${most}`,
    { hint: 'pass fewer or shorter arguments and environment variables' },
  );
}

/** @throws RuntimeError GUEST_UNSUPPORTED for more of something than the guest has room for */
export function checkCount(count: number, guest: GuestKind, most: number, what: string): void {
  if (count <= most) return;
  throw unwritable(`${count} ${what}`, guest, `it takes at most ${most}`);
}

/** The error for a volume that the guest cannot mount. */
export function unmountable(path: string, guest: GuestKind, reason: string): RuntimeError {
  return new RuntimeError(
    'VOLUME_UNSUPPORTED',
    `volume ${JSON.stringify(path)} cannot be given to a guest of type "${guest}": ${reason}`,
    { hint: 'run it without, or put the files into the unikernel' },
  );
}
