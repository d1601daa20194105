import { appendFileSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import type { GlobalOptions } from '../forward/command-line.ts';
import { print } from './print.ts';

/** The exit status of every failure of our own: engines have meanings for those above 125, and none for the others. */
const failureStatus = 1;

/**
 * Say what went wrong, where an engine looks for it: on stderr, and as exactly one line in the `--log` file. The only place that prints
 * errors. A mistake of our own prints its stack.
 * @returns the exit status
 * @see containers/podman libpod/oci_conmon_common.go, containerd cmd/containerd-shim-runc-v2/process/utils.go
 */
export function reportError(error: unknown, globals: GlobalOptions): number {
  const known = asRuntimeError(error);
  const message = known === undefined ? `internal error: ${String(error)}` : messageChain(known);
  const details = known?.hint === undefined ? '' : `hint: ${known.hint}\n`;
  const stack = known === undefined && error instanceof Error ? `${error.stack}\n` : '';
  const cause = globals.debug && known?.cause instanceof Error ? `cause: ${known.cause.message}\n` : '';
  print(`ucrun: ${message}\n${details}${stack}${cause}`, 2);
  writeLog(globals, message, known);
  return failureStatus;
}

/** Our own errors' messages from the outside in; a foreign cause is not shown, since engines react to its words. */
function messageChain(error: RuntimeError): string {
  return error.cause instanceof RuntimeError
    ? `${error.message}: ${messageChain(error.cause)}`
    : error.message;
}

/**
 * An error that its reader can understand, or undefined for a mistake of our own. A system call that failed in a way
 * nobody foresaw is still the host's failure and not a mistake of ours.
 */
export function asRuntimeError(error: unknown): RuntimeError | undefined {
  if (error instanceof RuntimeError) return error;
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined;
  const path = 'path' in error ? ` "${String(error.path)}"` : '';
  return new RuntimeError(
    'HOST_FAILED',
    `${String(error.syscall)}${path} failed with ${String(error.code)}`,
    { cause: error },
  );
}

function writeLog({ log, logFormat }: GlobalOptions, message: string, known: RuntimeError | undefined): void {
  // crun also takes journald: and syslog: there; an engine that reads the log back uses a file.
  const path = log?.replace(/^file:/, '');
  if (path === undefined || path === '' || /^(journald|syslog):/.test(path)) return;
  const time = new Date().toISOString();
  // An engine shows its user the message and nothing else, so the remedy has to be in it.
  const msg = known?.hint === undefined ? message : `${message} (${known.hint})`;
  const text =
    logFormat === 'json'
      ? JSON.stringify({ level: 'error', msg, time, code: known?.code })
      : `${time}: ${msg}`;
  try {
    appendFileSync(path, `${text}\n`);
  } catch (error) {
    print(`ucrun: cannot write the log "${path}": ${String((error as NodeJS.ErrnoException).code)}\n`, 2);
  }
}
