import type { ConfigText, Wish } from './engine.ts';
import { parseToml, setInToml, type TomlSetting, valueAt } from './toml-edit.ts';

const header = '# Written by "ucrun setup crio"; "ucrun setup crio --remove" takes it away.\n';

/**
 * A file of CRI-O's crio.conf.d with ucrun in it. The state that crun keeps has a directory of its own: CRI-O gives each runtime one.
 * @param file an empty text for a file that is not there
 * @throws RuntimeError ENGINE_CONFIG_INVALID
 * @see crio.conf(5), "CRIO.RUNTIME.RUNTIMES TABLE"
 */
export function crioConfig({ ucrun, isDefault }: Wish, { path, text }: ConfigText): string {
  const own = ['crio', 'runtime', 'runtimes', 'ucrun'];
  const settings: readonly TomlSetting[] = [
    ...(isDefault ? [{ path: ['crio', 'runtime', 'default_runtime'], value: 'ucrun' }] : []),
    { path: [...own, 'runtime_path'], value: ucrun },
    { path: [...own, 'runtime_type'], value: 'oci' },
    { path: [...own, 'runtime_root'], value: '/run/crun-ucrun' },
  ];
  return setInToml(text === '' ? header : text, settings, path);
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
