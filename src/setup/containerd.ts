import { RuntimeError } from '../base/runtime-error.ts';
import type { ConfigText, EngineVersion, Wish } from './engine.ts';
import { parseToml, setInToml, type TomlSetting, type TomlTable, valueAt } from './toml-edit.ts';

/** From this one on files that are imported are merged key by key; before, they replace a plugin's whole section. */
export const firstContainerdWithDropIns: EngineVersion = [2, 0];

const annotations = ['ucrun.*', 'com.urunc.unikernel.*'];

/**
 * containerd's config.toml, or a file that it imports, with ucrun among the runtimes of its CRI plugin.
 * @param file an empty text for a file that is not there
 * @param containerd its version, by which a new file is written, and its main file, which may be this one
 * @throws RuntimeError ENGINE_CONFIG_INVALID
 * @see containerd docs/cri/config.md
 */
export function containerdConfig(
  { ucrun, isDefault }: Wish,
  file: ConfigText,
  { version, main }: { readonly version: EngineVersion; readonly main: ConfigText },
): string {
  const isDropIn = main.path !== file.path;
  const config = parseToml(file.text, file.path);
  const format = formatOf(config, file, version);
  const base = runtimesPath(format);
  const own = [...base, 'runtimes', 'ucrun'];
  const settings: TomlSetting[] = [];
  if (Object.keys(config).length === 0) settings.push({ path: ['version'], value: format });
  // containerd 1 forgets the runtime that it has by itself as soon as a file names one. What is imported adds to the main file's.
  if (!isDropIn && valueAt(config, [...base, 'runtimes', 'runc']) === undefined)
    settings.push({ path: [...base, 'runtimes', 'runc', 'runtime_type'], value: 'io.containerd.runc.v2' });
  if (isDefault) settings.push({ path: [...base, 'default_runtime_name'], value: 'ucrun' });
  settings.push(
    { path: [...own, 'runtime_type'], value: 'io.containerd.runc.v2' },
    { path: [...own, 'pod_annotations'], value: annotations },
    { path: [...own, 'container_annotations'], value: annotations },
    { path: [...own, 'options', 'BinaryName'], value: ucrun },
  );
  // The kubelet expects the cgroups of all runtimes to be managed by the same.
  const systemd = valueAt(parseToml(main.text, main.path), [
    ...base,
    'runtimes',
    'runc',
    'options',
    'SystemdCgroup',
  ]);
  if (systemd === true) settings.push({ path: [...own, 'options', 'SystemdCgroup'], value: true });
  return setInToml(file.text, settings, file.path);
}

/**
 * Whether a config.toml imports the files of a directory, by a pattern as in `/etc/containerd/conf.d/*.toml`.
 * @throws RuntimeError ENGINE_CONFIG_INVALID
 */
export function importsFrom({ text, path }: ConfigText, directory: string): boolean {
  const { imports } = parseToml(text, path);
  return Array.isArray(imports) && imports.includes(`${directory}/*.toml`);
}

/** The program that containerd's CRI plugin calls as "ucrun", by a file or by what `containerd config dump` prints. */
export function containerdRuntime(file: ConfigText): string | undefined {
  const config = parseToml(file.text, file.path);
  const found = [2, 3].map((format) =>
    valueAt(config, [...runtimesPath(format), 'runtimes', 'ucrun', 'options', 'BinaryName']),
  );
  const path = found.find((value) => value !== undefined);
  return typeof path === 'string' ? path : undefined;
}

/** Whether containerd uses ucrun for every pod, by the same. */
export function isContainerdDefault(file: ConfigText): boolean {
  const config = parseToml(file.text, file.path);
  return [2, 3].some(
    (format) => valueAt(config, [...runtimesPath(format), 'default_runtime_name']) === 'ucrun',
  );
}

/** The runtimes that containerd's CRI plugin knows, by what `containerd config dump` prints. */
export function containerdRuntimes(file: ConfigText): readonly string[] {
  const config = parseToml(file.text, file.path);
  return [2, 3].flatMap((format) =>
    Object.keys(valueAt(config, [...runtimesPath(format), 'runtimes']) ?? {}),
  );
}

/** Whether containerd leaves its CRI plugin out, as in the file that docker's packages bring. */
export function isCriDisabled({ text, path }: ConfigText): boolean {
  const { disabled_plugins: disabled } = parseToml(text, path);
  const names: readonly unknown[] = Array.isArray(disabled) ? disabled : [];
  return ['cri', 'io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime'].some((name) =>
    names.includes(name),
  );
}

/** The format of a file: containerd 2 reads the second, too. */
function formatOf(config: TomlTable, { path }: ConfigText, version: EngineVersion): number {
  const { version: given } = config;
  if (given === undefined && Object.keys(config).length === 0) return version[0] < 2 ? 2 : 3;
  if (given === 2 || (given === 3 && version[0] >= 2)) return given;
  throw new RuntimeError(
    'ENGINE_CONFIG_INVALID',
    `${path} is of version ${given ?? 1}, which containerd ${version.join('.')} has no runtimes like ucrun in`,
    {
      hint: '"containerd config migrate" prints it in the version that this containerd has: put that in its place first',
    },
  );
}

function runtimesPath(format: number): readonly string[] {
  const plugin = format === 2 ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.runtime';
  return ['plugins', plugin, 'containerd'];
}
