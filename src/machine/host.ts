import type { Config } from '../unikernel/config-defaults.ts';
import type { MachinePlaces } from './places.ts';

/** What the machines of one scope are managed with. */
export interface MachineHost {
  readonly places: MachinePlaces;
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  /** Whether this is root of the host, who gives each QEMU a user of its own. */
  readonly isRoot: boolean;
  /** Where containers' records are, with the pool of user ids and the proof of KVM. */
  readonly stateRoot: string;
  /** ucrun's own absolute path. */
  readonly self: string;
}
