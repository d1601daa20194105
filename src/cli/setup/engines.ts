import type { Change } from '../../setup/change.ts';
import { containerdRuntime, isContainerdDefault } from '../../setup/containerd.ts';
import { crioRuntime } from '../../setup/crio.ts';
import { dockerRuntime, isDockerDefault, withoutUcrunInDocker } from '../../setup/docker.ts';
import type { ConfigText, EngineName } from '../../setup/engine.ts';
import { isPodmanDefault, podmanRuntime } from '../../setup/podman.ts';
import { containerdSetup } from './containerd.ts';
import { crioSetup } from './crio.ts';
import { dockerSetup } from './docker.ts';
import type { EngineSetup, FoundEngine, SetupContext } from './engine-setup.ts';
import { podmanSetup } from './podman.ts';

/** What differs between engines. */
interface EngineSupport {
  /** Look at an engine that is installed, and say what is to be done. */
  readonly prepare: (context: SetupContext, engine: FoundEngine) => EngineSetup;
  /** Whether a file of its configuration has ucrun in it. */
  readonly hasUcrun: (file: ConfigText) => boolean;
  /** For a format in which lines are too coarse: the file without what was written. */
  readonly takeOut?: (file: ConfigText, change: Change) => string | undefined;
  /** Whether users have a configuration of their own for it. */
  readonly isForUsers: boolean;
}

export const engines: { readonly [Name in EngineName]: EngineSupport } = {
  podman: {
    prepare: podmanSetup,
    hasUcrun: (file) => podmanRuntime([file]) !== undefined || isPodmanDefault([file]),
    isForUsers: true,
  },
  docker: {
    prepare: dockerSetup,
    hasUcrun: (file) => dockerRuntime(file) !== undefined || isDockerDefault(file),
    takeOut: (file, { original, written }) => withoutUcrunInDocker(file, original, written),
    isForUsers: false,
  },
  containerd: {
    prepare: containerdSetup,
    hasUcrun: (file) => containerdRuntime(file) !== undefined || isContainerdDefault(file),
    isForUsers: false,
  },
  crio: { prepare: crioSetup, hasUcrun: (file) => crioRuntime(file) !== undefined, isForUsers: false },
};
