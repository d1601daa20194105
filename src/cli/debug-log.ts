import { RuntimeError } from '../base/runtime-error.ts';
import type { DebugLog } from '../runtime/container.ts';
import type { OnProblem } from '../unikernel/config.ts';
import type { Config } from '../unikernel/config-defaults.ts';

const nothing: DebugLog = () => {};

/**
 * The debug log that the configuration, or --debug, asks for; if none does, nothing is loaded.
 * @param onProblem what to do if its file cannot be opened; where it returns, the log is what it would be without a file
 */
export async function debugLog(
  { logFile, logLevel }: Pick<Config, 'logFile' | 'logLevel'>,
  isDebug: boolean,
  onProblem: OnProblem,
): Promise<DebugLog> {
  if (logFile === undefined && !isDebug) return nothing;
  const { openDebugLog } = await import('./pino-log.ts');
  try {
    return openDebugLog(logFile, logLevel);
  } catch (cause) {
    if (logFile === undefined) throw cause;
    const hint = 'correct "log_file" in the configuration';
    onProblem(new RuntimeError('CONFIG_INVALID', `cannot open the debug log "${logFile}"`, { cause, hint }));
    return await debugLog({ logFile: undefined, logLevel }, isDebug, onProblem);
  }
}
