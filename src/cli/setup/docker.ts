import { RuntimeError } from '../../base/runtime-error.ts';
import { runProgram } from '../../host/processes.ts';
import { dockerConfig } from '../../setup/docker.ts';
import { type EngineVersion, isAtLeast } from '../../setup/engine.ts';
import type { EngineSetup, FoundEngine, SetupContext } from './engine-setup.ts';
import { lastLine } from './last-line.ts';

export const daemonJson = '/etc/docker/daemon.json';

/** From this docker on its daemon has --validate. */
const firstThatValidates: EngineVersion = [23, 0];

/** docker: runtimes and the default one are in daemon.json, which it reads again when it is told to reload. */
export function dockerSetup({ wish, env }: SetupContext, docker: FoundEngine): EngineSetup {
  return {
    title: `docker ${docker.versionText}`,
    path: daemonJson,
    plan: (text) => dockerConfig(wish, { path: daemonJson, text }),
    validate() {
      // An older one has nothing to ask; that the file is JSON was seen to when it was made.
      if (!isAtLeast(docker.version, firstThatValidates)) return;
      const { status, stderr } = runProgram(docker.program, ['--validate', '--config-file', daemonJson], {
        env,
      });
      if (status === 0) return;
      throw new RuntimeError('TOOL_FAILED', `docker does not take ${daemonJson}`, {
        hint: `dockerd says: ${lastLine(stderr)}`,
      });
    },
    nextSteps: [
      'tell docker to read it: systemctl reload docker (it restarts nothing)',
      wish.isDefault
        ? 'then new containers run with ucrun; those that exist keep the runtime they were made with'
        : 'then docker run --runtime=ucrun … runs a container with it',
    ],
  };
}
