import type { ConfigText, Wish } from './engine.ts';
import { parseToml, renderValue, valueAt } from './toml-edit.ts';

/**
 * The text of a file in CRI-O's crio.conf.d, which is ours alone. The state that crun keeps has a directory of its own: CRI-O gives each
 * runtime one.
 * @see crio.conf(5), "CRIO.RUNTIME.RUNTIMES TABLE"
 */
export function crioDropIn({ ucrun, isDefault }: Wish): string {
  return [
    '# Written by "ucrun setup crio"; "ucrun setup crio --remove" takes it away.',
    ...(isDefault ? ['[crio.runtime]', 'default_runtime = "ucrun"'] : []),
    '[crio.runtime.runtimes.ucrun]',
    `runtime_path = ${renderValue(ucrun)}`,
    'runtime_type = "oci"',
    'runtime_root = "/run/crun-ucrun"',
    '',
  ].join('\n');
}

/** The program that CRI-O calls as "ucrun", by a file or by what `crio config` prints. */
export function crioRuntime({ text, path }: ConfigText): string | undefined {
  const found = valueAt(parseToml(text, path), ['crio', 'runtime', 'runtimes', 'ucrun', 'runtime_path']);
  return typeof found === 'string' ? found : undefined;
}

/** Whether CRI-O uses ucrun for every pod, by the same. */
export function isCrioDefault({ text, path }: ConfigText): boolean {
  return valueAt(parseToml(text, path), ['crio', 'runtime', 'default_runtime']) === 'ucrun';
}
