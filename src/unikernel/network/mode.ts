import { RuntimeError } from '../../base/runtime-error.ts';
import type { WantedNetwork } from '../definition.ts';
import type { NetworkMode } from './types.ts';

/**
 * The mode of a container: what its unikernel asks for, as far as the administrator leaves it open. A guest without a network is nobody's
 * loss but its own.
 * @throws RuntimeError NETWORK_UNSUPPORTED
 */
export function networkMode(configured: NetworkMode, wanted: WantedNetwork | undefined): NetworkMode {
  if (wanted === undefined || wanted === 'auto' || configured === 'none') return configured;
  if (wanted === 'none' || configured === 'auto' || configured === wanted) return wanted;
  throw new RuntimeError(
    'NETWORK_UNSUPPORTED',
    `network "${wanted}", which the unikernel asks for, is not possible: the configuration has "${configured}"`,
    { hint: 'leave it out of the definition, or set [network] mode to "auto" in ucrun\'s config.toml' },
  );
}
