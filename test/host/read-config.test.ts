import { existsSync } from 'node:fs';
import t from 'tap';
import { readConfig } from '../../src/host/read-config.ts';
import { defaultConfig } from '../../src/unikernel/config-defaults.ts';

const user = 1000;
const hasSystemFile = existsSync('/etc/ucrun/config.toml');

t.test('readConfig() reads the file that UCRUN_CONFIG names, before the user’s own', async (t) => {
  const folder = t.testdir({ named: 'crun = "/named"', ucrun: { 'config.toml': 'crun = "/own"' } });
  const env = { UCRUN_CONFIG: `${folder}/named`, XDG_CONFIG_HOME: folder };
  t.equal((await readConfig(env, user, false)).crun, '/named');
  t.equal((await readConfig({ ...env, UCRUN_CONFIG: '' }, user, false)).crun, '/own', 'empty is not set');
});

t.test('readConfig() reads the user’s file only for a user', async (t) => {
  const folder = t.testdir({ '.config': { ucrun: { 'config.toml': 'crun = "/own"' } } });
  t.equal((await readConfig({ HOME: folder }, user, false)).crun, '/own');
  t.equal((await readConfig({ HOME: folder }, 0, true)).crun, '/own', 'root of a user namespace is a user');
  t.not((await readConfig({ HOME: folder }, 0, false)).crun, '/own', 'root is not');
});

t.test('readConfig() ignores a relative XDG_CONFIG_HOME', async (t) => {
  const folder = t.testdir({ '.config': { ucrun: { 'config.toml': 'crun = "/own"' } } });
  t.equal((await readConfig({ XDG_CONFIG_HOME: 'x', HOME: folder }, user, false)).crun, '/own');
});

t.test(
  'readConfig() without any file gives the defaults',
  { skip: hasSystemFile && 'this host has a /etc/ucrun/config.toml' },
  async (t) => {
    t.equal(await readConfig({}, 0, false), defaultConfig);
    t.equal(await readConfig({ HOME: t.testdir({}) }, user, false), defaultConfig);
    t.equal(await readConfig({ HOME: t.testdir({ '.config': 'a file' }) }, user, false), defaultConfig);
  },
);

t.test('readConfig() says which file is wrong, and how', async (t) => {
  const folder = t.testdir({ bad: 'crun = 1' });
  const cases: readonly [path: string, message: string, hint?: string][] = [
    ['relative', 'UCRUN_CONFIG is "relative", not an absolute path'],
    [`${folder}/none`, `configuration file "${folder}/none" is missing`, 'UCRUN_CONFIG names it'],
    [folder, `configuration file "${folder}" is a directory`],
    [`${folder}/bad`, `"crun" in ${folder}/bad is 1, not an absolute path, or "" to search for it`],
  ];
  for (const [path, message, hint] of cases) {
    await t.rejects(
      readConfig({ UCRUN_CONFIG: path }, user, false),
      { code: 'CONFIG_INVALID', message, hint },
      path,
    );
  }
});
