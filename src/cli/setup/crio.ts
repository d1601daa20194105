import { RuntimeError } from '../../base/runtime-error.ts';
import { filesIn } from '../../host/files.ts';
import { runProgram } from '../../host/processes.ts';
import { crioConfig, crioRuntime, isCrioDefault } from '../../setup/crio.ts';
import type { EngineSetup, FoundEngine, SetupContext } from './engine-setup.ts';
import { lastLine } from './last-line.ts';

const dropIns = '/etc/crio/crio.conf.d';
const crioFile = `${dropIns}/ucrun.conf`;
/** Where ucrun may be in CRI-O's configuration, also by somebody else's hand. */
export function crioFiles(): readonly string[] {
  return ['/etc/crio/crio.conf', ...filesIn(dropIns, '')];
}

/** CRI-O: a file in its crio.conf.d, ours unless somebody has one of that name. */
export function crioSetup({ wish, env }: SetupContext, crio: FoundEngine): EngineSetup {
  return {
    title: `CRI-O ${crio.versionText}`,
    path: crioFile,
    plan: (text) => crioConfig(wish, { path: crioFile, text }),
    validate() {
      const { status, stdout, stderr } = runProgram(crio.program, ['config'], { env });
      const config = { path: 'crio config', text: status === 0 ? stdout : '' };
      const isRight = crioRuntime(config) === wish.ucrun;
      if (isRight && (!wish.isDefault || isCrioDefault(config))) return;
      const lacks = isRight ? 'another default runtime' : 'no runtime "ucrun"';
      throw new RuntimeError('TOOL_FAILED', `crio does not make of ${crioFile} what it should`, {
        hint:
          status === 0
            ? `"crio config" has ${lacks}; look at the other files of crio.conf.d`
            : `crio says: ${lastLine(stderr)}`,
      });
    },
    nextSteps: [
      'restart CRI-O: systemctl restart crio',
      ...(wish.isDefault ? [] : ['then pods of a RuntimeClass with the handler "ucrun" run with it']),
    ],
  };
}
