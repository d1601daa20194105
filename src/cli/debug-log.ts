import type { DebugLog } from '../runtime/container.ts';
import type { Config } from '../unikernel/config-defaults.ts';

const nothing: DebugLog = () => {};

/** The debug log that the configuration, or --debug, asks for; if none does, nothing is loaded. */
export async function debugLog({ logFile, logLevel }: Config, isDebug: boolean): Promise<DebugLog> {
  if (logFile === undefined && !isDebug) return nothing;
  const { openDebugLog } = await import('./pino-log.ts');
  return openDebugLog(logFile, logLevel);
}
