import { RuntimeError } from '../../base/runtime-error.ts';
import { filesIn } from '../../host/files.ts';
import { runProgram } from '../../host/processes.ts';
import { readForeignText } from '../../host/text-file.ts';
import {
  containerdConfig,
  containerdRuntime,
  containerdRuntimes,
  firstContainerdWithDropIns,
  importsFrom,
  isContainerdDefault,
  isCriDisabled,
} from '../../setup/containerd.ts';
import { type ConfigText, isAtLeast } from '../../setup/engine.ts';
import type { EngineSetup, FoundEngine, SetupContext } from './engine-setup.ts';
import { lastLine } from './last-line.ts';

const containerdFile = '/etc/containerd/config.toml';
const dropIns = '/etc/containerd/conf.d';
const dropIn = `${dropIns}/ucrun.toml`;
/** Where ucrun may be in containerd's configuration, also by somebody else's hand. */
export function containerdFiles(): readonly string[] {
  return [containerdFile, ...filesIn(dropIns, '.toml')];
}

/** containerd: a file that its configuration imports, where that adds to it, else its configuration itself. */
export function containerdSetup({ wish, env }: SetupContext, containerd: FoundEngine): EngineSetup {
  const { version } = containerd;
  const mainText = readForeignText(containerdFile);
  const main = { path: containerdFile, text: mainText ?? '' };
  const isDropIn = isAtLeast(version, firstContainerdWithDropIns) && importsFrom(main, dropIns);
  const path = isDropIn ? dropIn : main.path;
  const dump = (isThere = true): ConfigText => {
    // What holds without the file is not dumped where that is missing.
    const args = isThere ? ['--config', main.path, 'config', 'dump'] : ['config', 'default'];
    const { status, stdout, stderr } = runProgram(containerd.program, args, { env });
    if (status === 0) return { path: 'containerd config dump', text: stdout };
    throw new RuntimeError('TOOL_FAILED', `containerd does not take ${path}`, {
      hint: `containerd says: ${lastLine(stderr)}`,
    });
  };
  const before = containerdRuntimes(dump(mainText !== undefined));
  return {
    title: `containerd ${containerd.versionText}`,
    path,
    plan: (text) =>
      containerdConfig(wish, { path, text }, { version, main: isDropIn ? main : { path, text } }),
    validate() {
      const after = dump();
      const lost = before.filter((name) => !containerdRuntimes(after).includes(name));
      const isRight =
        containerdRuntime(after) === wish.ucrun && (!wish.isDefault || isContainerdDefault(after));
      if (isRight && lost.length === 0) return;
      throw new RuntimeError('TOOL_FAILED', `containerd does not make of ${path} what it should`, {
        hint: `"containerd config dump" has the runtimes ${containerdRuntimes(after).join(', ') || '(none)'}; look at its "imports"`,
      });
    },
    nextSteps: [
      ...(isCriDisabled(main)
        ? [
            `"disabled_plugins" in ${main.path} turns the CRI plugin off, which ucrun is a runtime of: take it out`,
          ]
        : []),
      'restart containerd, which keeps its containers running: systemctl restart containerd',
      ...(wish.isDefault ? [] : ['then pods of a RuntimeClass with the handler "ucrun" run with it']),
    ],
  };
}
