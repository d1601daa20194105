import { parseCommandLine } from '../forward/command-line.ts';
import { dispatch } from './dispatch.ts';

async function main(): Promise<number> {
  const line = parseCommandLine(process.argv.slice(2));
  try {
    return await dispatch(line, process.env);
  } catch (error) {
    const { reportError } = await import('./report-error.ts');
    return reportError(error, line.globals);
  }
}

void main().then((status) => {
  process.exitCode = status;
});
