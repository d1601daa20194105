import { RuntimeError } from '../../base/runtime-error.ts';
import { filesIn } from '../../host/files.ts';
import { runProgram } from '../../host/processes.ts';
import { readForeignText } from '../../host/text-file.ts';
import { type ConfigText, isAtLeast } from '../../setup/engine.ts';
import { firstPodmanWithDropIns, podmanConfig, podmanDropIn } from '../../setup/podman.ts';
import type { EngineSetup, FoundEngine, SetupContext } from './engine-setup.ts';
import { lastLine } from './last-line.ts';

const dropIn = 'containers.conf.d/ucrun.conf';

/** podman: a file of ours beside containers.conf, or that one where podman reads no other. */
export function podmanSetup({ wish, env, ...user }: SetupContext, podman: FoundEngine): EngineSetup {
  const only = env.CONTAINERS_CONF ?? '';
  const directory = user.isHostRoot ? '/etc/containers' : userDirectory(env, user.home);
  const hasDropIns = only === '' && isAtLeast(podman.version, firstPodmanWithDropIns);
  const path = only === '' ? `${directory}/${hasDropIns ? dropIn : 'containers.conf'}` : only;
  const others = podmanConfigs(env, user).filter((config) => config.path !== path);
  return {
    title: `podman ${podman.versionText}`,
    path,
    // A drop-in of this name may be somebody else's, and is then added to.
    plan: (text) =>
      hasDropIns && text === '' ? podmanDropIn(wish, others) : podmanConfig(wish, others, { path, text }),
    validate() {
      const runtime = wish.isDefault ? [] : ['--runtime=ucrun'];
      const args = [...runtime, 'info', '--format', '{{.Host.OCIRuntime.Path}}'];
      const { status, stdout, stderr } = runProgram(podman.program, args, { env });
      if (status === 0 && stdout.trim() === wish.ucrun) return;
      const says = status === 0 ? `its runtime is ${stdout.trim()}` : lastLine(stderr);
      throw new RuntimeError('TOOL_FAILED', 'podman does not take the runtime that was added', {
        hint: `podman says: ${says}`,
      });
    },
    nextSteps: wish.isDefault
      ? ['new containers run with ucrun; those that exist keep the runtime they were made with']
      : ['podman --runtime=ucrun run … runs a container with it'],
  };
}

/**
 * The files that podman takes its settings from, in its order: what a later one says holds.
 * @see containers.conf(5)
 */
export function podmanConfigs(
  env: NodeJS.ProcessEnv,
  { isHostRoot, home }: Pick<SetupContext, 'isHostRoot' | 'home'>,
): readonly ConfigText[] {
  const only = env.CONTAINERS_CONF ?? '';
  const user = isHostRoot ? [] : [userDirectory(env, home)];
  const paths =
    only === ''
      ? ['/usr/share/containers', '/etc/containers', ...user].flatMap((directory) => [
          `${directory}/containers.conf`,
          ...filesIn(`${directory}/containers.conf.d`, '.conf'),
        ])
      : [only];
  return paths.flatMap((path) => {
    const text = readForeignText(path);
    return text === undefined ? [] : [{ path, text }];
  });
}

function userDirectory(env: NodeJS.ProcessEnv, home: string | undefined): string {
  const { XDG_CONFIG_HOME: given } = env;
  if (given?.startsWith('/')) return `${given}/containers`;
  if (home !== undefined) return `${home}/.config/containers`;
  throw new RuntimeError('HOST_FAILED', 'nobody says where the home directory is', { hint: 'set HOME' });
}
