import type { ContainerCall } from '../runtime/container.ts';
import { print } from './print.ts';

/**
 * A verb about a unikernel's container.
 * @returns the exit status
 * @throws RuntimeError
 */
export async function answerForUnikernel(call: ContainerCall, verb: string): Promise<number> {
  switch (verb) {
    case 'start': {
      const { startContainer } = await import('../runtime/start.ts');
      return startContainer(call);
    }
    case 'state': {
      const { containerState } = await import('../runtime/state.ts');
      const printed = containerState(call);
      print(printed.stderr, 2);
      print(printed.stdout);
      return printed.status;
    }
    case 'kill': {
      const { killContainer } = await import('../runtime/kill.ts');
      return await killContainer(call);
    }
    case 'pause': {
      const { pauseContainer } = await import('../runtime/pause.ts');
      return await pauseContainer(call);
    }
    case 'resume': {
      const { resumeContainer } = await import('../runtime/pause.ts');
      return await resumeContainer(call);
    }
    case 'delete': {
      const { deleteContainer } = await import('../runtime/delete.ts');
      return deleteContainer(call);
    }
    case 'update': {
      const { updateContainer } = await import('../runtime/update.ts');
      return await updateContainer(call);
    }
    case 'exec': {
      const { execInContainer } = await import('../runtime/exec.ts');
      return execInContainer(call);
    }
    case 'checkpoint': {
      const { refuseCheckpoint } = await import('../runtime/refuse.ts');
      return refuseCheckpoint(call);
    }
    default:
      throw new Error(`no answer for verb ${verb}`);
  }
}
