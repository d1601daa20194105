import type { ConfigText, EngineVersion, Wish } from './engine.ts';
import { parseToml, renderValue, setInToml, type TomlSetting, valueAt } from './toml-edit.ts';

/** From this podman on a file in containers.conf.d is read, in every distribution. */
export const firstPodmanWithDropIns: EngineVersion = [4, 0];

/**
 * Lists in which a runtime has to be for podman to make use of what it can: one in a file replaces podman's own, and any before it, so
 * ours is the longest that any podman has, or what other files say.
 * @see containers/common pkg/config/default.go, containers.conf(5)
 */
const lists: Readonly<Record<string, readonly string[]>> = {
  // Errors as one JSON object, with their hints.
  runtime_supports_json: ['crun', 'runc', 'kata', 'runsc', 'youki', 'krun'],
  // Under SELinux: the label of processes that may use /dev/kvm.
  runtime_supports_kvm: ['kata', 'kata-runtime', 'kata-qemu', 'kata-fc', 'krun'],
  runtime_supports_nocgroup: ['crun', 'krun'],
};

/** The text of a file that is ours alone. */
export function podmanDropIn(wish: Wish, others: readonly ConfigText[]): string {
  const lines = settings(wish, others).map(({ path, value }) => `${path.at(-1)} = ${renderValue(value)}`);
  const runtime = lines.pop();
  return [
    '# Written by "ucrun setup podman"; "ucrun setup podman --remove" takes it away.',
    '[engine]',
    ...lines,
    '[engine.runtimes]',
    `${runtime}\n`,
  ].join('\n');
}

/**
 * A containers.conf that others wrote, with ucrun in it.
 * @throws RuntimeError ENGINE_CONFIG_INVALID
 */
export function podmanConfig(wish: Wish, others: readonly ConfigText[], file: ConfigText): string {
  return setInToml(file.text, settings(wish, [...others, file]), file.path);
}

/** The program that podman calls as "ucrun" by these files, in the order in which podman reads them; undefined: none. */
export function podmanRuntime(configs: readonly ConfigText[]): string | undefined {
  const paths = lastOf(configs, ['engine', 'runtimes', 'ucrun']);
  return Array.isArray(paths) && typeof paths[0] === 'string' ? paths[0] : undefined;
}

/** Whether podman uses ucrun for every container by these files. */
export function isPodmanDefault(configs: readonly ConfigText[]): boolean {
  return lastOf(configs, ['engine', 'runtime']) === 'ucrun';
}

function settings({ ucrun, isDefault }: Wish, others: readonly ConfigText[]): readonly TomlSetting[] {
  const supported = Object.entries(lists).map(([key, usual]) => {
    const found = lastOf(others, ['engine', key]);
    const names = Array.isArray(found) ? found.filter((name) => typeof name === 'string') : usual;
    return { path: ['engine', key], value: [...names.filter((name) => name !== 'ucrun'), 'ucrun'] };
  });
  return [
    ...(isDefault ? [{ path: ['engine', 'runtime'], value: 'ucrun' }] : []),
    ...supported,
    { path: ['engine', 'runtimes', 'ucrun'], value: [ucrun] },
  ];
}

function lastOf(configs: readonly ConfigText[], path: readonly string[]): unknown {
  return configs
    .map(({ text, path: file }) => valueAt(parseToml(text, file), path))
    .findLast((value) => value !== undefined);
}
