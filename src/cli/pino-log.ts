import pino from 'pino';
import type { DebugLog } from '../runtime/container.ts';
import type { LogLevel } from '../unikernel/config-defaults.ts';

/**
 * A debug log in JSON lines, written before the call returns: ucrun may become crun at any moment.
 * @param file undefined: stderr
 */
export function openDebugLog(file: string | undefined, level: LogLevel): DebugLog {
  const destination = pino.destination({ dest: file ?? 2, sync: true, mkdir: true, append: true });
  const logger = pino(
    { name: 'ucrun', level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  return (message, fields = {}) => logger.info(fields, message);
}
