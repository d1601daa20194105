/**
 * What one look at the host has shown: `ok`; `note`, something is not there that only some need; `warning`, something works less well than it
 * could; `problem`, no unikernel can run, or not with the engine named.
 */
export type CheckStatus = 'ok' | 'note' | 'warning' | 'problem';

export interface Check {
  /** What was looked at, in a word or two. */
  readonly what: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly found: string;
  /** What to do about it; only of what is not ok. */
  readonly remedy?: string;
}

export function ok(what: string, found: string): Check {
  return { what, status: 'ok', found };
}

/** Something that is not ok, with what to do. */
export function not(status: Exclude<CheckStatus, 'ok'>, what: string, found: string, remedy: string): Check {
  return { what, status, found, remedy };
}
