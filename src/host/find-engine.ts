import { isProgram, programDirectories } from './files.ts';
import { runProgram } from './processes.ts';

/** Daemons are where only root's PATH leads. */
const usualDirectories = [
  '/usr/bin',
  '/usr/sbin',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/run/current-system/sw/bin',
];

/** Whether and where a program of an engine is installed. */
export function findEngineProgram(name: string, searchPath: string | undefined): string | undefined {
  return programDirectories(searchPath, usualDirectories)
    .map((directory) => `${directory}/${name}`)
    .find(isProgram);
}

/** What it prints with `--version`; empty if it does not run. */
export function versionOutput(program: string, env: NodeJS.ProcessEnv): string {
  try {
    return runProgram(program, ['--version'], { env, timeoutMs: 30_000 }).stdout;
  } catch {
    return '';
  }
}
