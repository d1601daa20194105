import t from 'tap';
import { refusePackaged } from '../../../src/cli/image/packaged.ts';
import { defaultConfig } from '../../../src/unikernel/config-defaults.ts';

const packaged = '/usr/share/ucrun/unikernels';

t.test("refusePackaged keeps a package's unikernel, and no other", async (t) => {
  const { registries } = defaultConfig;
  t.throws(() => refusePackaged(registries, 'hello', `${packaged}/hello`), {
    code: 'UNIKERNEL_PACKAGED',
    message: 'unikernel "hello" in /usr/share/ucrun/unikernels belongs to a package',
  });
  for (const directory of ['/var/lib/ucrun/unikernels/hello', `/srv${packaged}/hello`])
    t.doesNotThrow(() => refusePackaged(registries, 'hello', directory), directory);
  t.doesNotThrow(
    () => refusePackaged([packaged], 'hello', `${packaged}/hello`),
    'where it is the registry that commands write to',
  );
});
