import { basename } from 'node:path';

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through hack/in-test-env.sh`);
  return value;
}

/** The runtime under test, as an absolute path. */
export const ucrun = required('UCRUN');

/** Whether plain crun stands in for ucrun, as it may in tests of what is forwarded. */
export const isPlainCrun = basename(ucrun) === 'crun';

/** The directory of named unikernels that the environment's configuration names. */
export const registry = required('UCRUN_REGISTRY');

/** Where a test may write. It goes with the environment. */
export const scratch = required('TMPDIR');

/** The repository's own directory. */
export const repository = new URL('../../..', import.meta.url).pathname;
