import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findPasst } from '../../src/host/find-passt.ts';

t.test('findPasst() takes the configured one, or searches PATH first', async (t) => {
  const directory = t.testdir({ passt: '#!/bin/sh\n' });
  const passt = join(directory, 'passt');
  t.throws(() => findPasst(passt, undefined), {
    code: 'PASST_MISSING',
    message: `passt is missing: the configuration says "${passt}"`,
  });
  chmodSync(passt, 0o755);
  t.equal(findPasst(passt, undefined), passt);
  t.equal(findPasst(undefined, directory), passt);
});
