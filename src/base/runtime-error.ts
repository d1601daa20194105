import type { ErrorCode } from './error-codes.ts';

export interface RuntimeErrorDetails {
  /** What the reader can do about it. */
  readonly hint?: string | undefined;
  /** What failed underneath; its message is never repeated in ours. */
  readonly cause?: unknown;
}

/**
 * A failure that its reader can understand and act on: a wrong input, or a host that lacks something.
 * The message is lower case, without a full stop, and names the action and the value. A mistake of our own is a
 * plain Error.
 */
export class RuntimeError extends Error {
  override readonly name: string = 'RuntimeError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, { hint, cause }: RuntimeErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }
}

/** For where a problem is handed to its caller: throws it. */
export function raise(problem: RuntimeError): never {
  throw problem;
}
