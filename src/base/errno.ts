/**
 * Whether `error` is the failure of a system call with this errno, such as `ENOENT`, or with one of these.
 * @see errno(3)
 */
export function isErrno(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
  );
}
