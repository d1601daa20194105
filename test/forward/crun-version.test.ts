import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkCrunAccepts, parseCrunVersion, rememberedCrunVersion } from '../../src/forward/crun-version.ts';
import { isAcceptedByEveryCrun } from '../../src/forward/oci-version.ts';

t.test('isAcceptedByEveryCrun() holds for what the oldest crun looks for', async (t) => {
  for (const version of ['1.0.0', '1.0.2', '1.0.2-dev', '1.1.0', '1.1.0-rc.1'])
    t.equal(isAcceptedByEveryCrun(version), true, version);
  for (const version of ['1.2.0', '1.2.1', '1.3.0', '2.0.0', ''])
    t.equal(isAcceptedByEveryCrun(version), false, version);
});

t.test('parseCrunVersion() reads the output of every crun', async (t) => {
  const cases: readonly [output: string, version: string | undefined][] = [
    ['crun version 1.8.1\ncommit: f8a096be\nrundir: /run/crun\nspec: 1.0.0\n+SYSTEMD +CAP\n', '1.8.1'],
    ['crun version 1.21\ncommit: 1\n', '1.21'],
    ['crun version 1.14.4.0.1-dirty\n', '1.14.4.0.1'],
    ['crun version UNKNOWN\n', undefined],
    ['runc version 1.1.5\n', undefined],
    ['a warning\ncrun version 1.8.1\n', '1.8.1'],
    ['', undefined],
  ];
  for (const [output, version] of cases) t.equal(parseCrunVersion(output), version, JSON.stringify(output));
});

t.test('checkCrunAccepts() refuses only what this crun would refuse', async (t) => {
  const accepted: readonly [ociVersion: string, crun: string | undefined][] = [
    ['1.0.2', '0.1'],
    ['1.1.0', '1.8.1'],
    ['1.2.0', '1.14.3'],
    ['1.2.0', '1.14.4'],
    ['1.2.0', '1.15'],
    ['1.3.0', '1.21'],
    ['1.3.0', '2.0'],
    // A crun that does not say its version is left to speak for itself.
    ['1.2.0', undefined],
  ];
  for (const [oci, crun] of accepted)
    t.doesNotThrow(() => checkCrunAccepts(oci, crun, '/c'), `${oci} by ${crun}`);
  for (const crun of ['0.21', '1.8.1', '1.14', '1.14.2', '1.9']) {
    t.throws(
      () => checkCrunAccepts('1.2.0', crun, '/opt/crun'),
      {
        code: 'CRUN_TOO_OLD',
        message: `crun ${crun} at "/opt/crun" is too old for a container of specification version 1.2.0`,
        hint: /crun 1\.14\.3 or newer/,
      },
      crun,
    );
  }
});

t.test('rememberedCrunVersion() asks a crun once, and again when it has changed', async (t) => {
  const folder = t.testdir();
  const crun = join(folder, 'crun');
  const calls = join(folder, 'calls');
  const install = (version: string, modified: Date) => {
    writeFileSync(crun, `#!/bin/sh\necho asked >>'${calls}'\necho 'crun version ${version}'\n`, {
      mode: 0o755,
    });
    return import('node:fs/promises').then(({ utimes }) => utimes(crun, modified, modified));
  };
  const asked = () => readFileSync(calls, 'utf8').split('\n').length - 1;

  await install('1.8.1', new Date(1_000_000));
  const stateRoot = join(folder, 'state');
  t.equal(rememberedCrunVersion(crun, stateRoot), '1.8.1');
  t.equal(rememberedCrunVersion(crun, stateRoot), '1.8.1');
  t.equal(asked(), 1, 'the second time it was remembered');
  t.equal(statSync(stateRoot).mode & 0o777, 0o711);

  await install('1.21', new Date(2_000_000));
  t.equal(rememberedCrunVersion(crun, stateRoot), '1.21');
  t.equal(asked(), 2, 'an update of crun is noticed');

  writeFileSync(join(stateRoot, 'crun-version'), 'nonsense');
  t.equal(rememberedCrunVersion(crun, stateRoot), '1.21', 'a broken note costs one more question');
  t.equal(asked(), 3);
});

t.test('rememberedCrunVersion() does not remember a crun that says nothing', async (t) => {
  const folder = t.testdir();
  const crun = join(folder, 'crun');
  writeFileSync(crun, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  t.equal(rememberedCrunVersion(crun, join(folder, 'state')), undefined);
  t.notOk(statSync(join(folder, 'state'), { throwIfNoEntry: false }));
});
