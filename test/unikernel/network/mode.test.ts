import t from 'tap';
import type { WantedNetwork } from '../../../src/unikernel/definition.ts';
import { networkMode } from '../../../src/unikernel/network/mode.ts';
import type { NetworkMode } from '../../../src/unikernel/network/types.ts';

t.test('networkMode() lets a unikernel choose what the configuration leaves open', async (t) => {
  const cases: readonly [NetworkMode, WantedNetwork | undefined, NetworkMode | 'error'][] = [
    ['auto', undefined, 'auto'],
    ['auto', 'auto', 'auto'],
    ['auto', 'user', 'user'],
    ['auto', 'none', 'none'],
    ['passt', 'user', 'error'],
    ['user', 'auto', 'user'],
    ['user', 'user', 'user'],
    ['user', 'none', 'none'],
    ['tap', undefined, 'tap'],
    ['tap', 'user', 'error'],
    ['tap', 'none', 'none'],
    ['none', 'user', 'none'],
  ];
  for (const [configured, wanted, expected] of cases) {
    const what = `${configured}, ${wanted}`;
    if (expected !== 'error') t.equal(networkMode(configured, wanted), expected, what);
    else t.throws(() => networkMode(configured, wanted), { code: 'NETWORK_UNSUPPORTED', hint: /auto/ }, what);
  }
});
