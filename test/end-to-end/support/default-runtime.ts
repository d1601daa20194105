import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scratch } from './environment.ts';

/**
 * podman's settings with ucrun as the default runtime.
 * @param name of the file, and not that of another test's
 * @returns the environment that makes podman use them
 */
export async function ucrunAsDefault(name: string): Promise<{ readonly CONTAINERS_CONF: string }> {
  const file = join(scratch, `${name}.conf`);
  const text = await readFile(process.env.CONTAINERS_CONF ?? '', 'utf8');
  // podman 4.3's service, and its kube play, confuse the two limits of default_ulimits.
  const changed = text
    .replace(/^runtime = .*/m, 'runtime = "ucrun"')
    .replace(/nofile=(\d+):\d+/, 'nofile=$1:$1');
  await writeFile(file, changed);
  return { CONTAINERS_CONF: file };
}
