import t from 'tap';
import { opsImageDirectories } from '../../src/host/ops-images.ts';

t.test('opsImageDirectories() looks where ops does', async (t) => {
  t.strictSame(opsImageDirectories({ HOME: '/home/me' }, 1000), ['/home/me/.ops/images']);
  t.strictSame(opsImageDirectories({ HOME: '/home/me', OPS_HOME: '/srv' }, 1000), [
    '/srv/.ops/images',
    '/home/me/.ops/images',
  ]);
  t.strictSame(opsImageDirectories({ HOME: '/srv', OPS_HOME: '/srv' }, 1000), ['/srv/.ops/images']);
  t.strictSame(
    opsImageDirectories({ HOME: 'relative', OPS_HOME: '' }, 4_000_000_000),
    [],
    'a user without a home',
  );
});
