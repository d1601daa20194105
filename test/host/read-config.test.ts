import t from 'tap';
import { readConfig } from '../../src/host/read-config.ts';
import { defaultConfig } from '../../src/unikernel/config-defaults.ts';

const user = 1000;
const caller = (env: NodeJS.ProcessEnv, euid = user, inUserNamespace = false) => ({
  env,
  euid,
  inUserNamespace,
});

t.test('readConfig() reads the file that UCRUN_CONFIG names, before the user’s own', async (t) => {
  const folder = t.testdir({ named: 'crun = "/named"', ucrun: { 'config.toml': 'crun = "/own"' } });
  const env = { UCRUN_CONFIG: `${folder}/named`, XDG_CONFIG_HOME: folder };
  t.equal((await readConfig(caller(env))).crun, '/named');
  t.equal((await readConfig(caller({ ...env, UCRUN_CONFIG: '' }))).crun, '/own', 'empty is not set');
});

t.test('readConfig() reads the user’s file only for a user', async (t) => {
  const folder = t.testdir({ '.config': { ucrun: { 'config.toml': 'crun = "/own"' } } });
  t.equal((await readConfig(caller({ HOME: folder }))).crun, '/own');
  t.equal(
    (await readConfig(caller({ HOME: folder }, 0, true))).crun,
    '/own',
    'root of a user namespace is a user',
  );
  t.not((await readConfig(caller({ HOME: folder }, 0, false))).crun, '/own', 'root is not');
});

t.test('readConfig() ignores a relative XDG_CONFIG_HOME', async (t) => {
  const folder = t.testdir({ '.config': { ucrun: { 'config.toml': 'crun = "/own"' } } });
  t.equal((await readConfig(caller({ XDG_CONFIG_HOME: 'x', HOME: folder }))).crun, '/own');
});

t.test('readConfig() without any file gives the defaults', async (t) => {
  const systemFile = '/nowhere/config.toml';
  const read = (...of: Parameters<typeof caller>) => readConfig({ ...caller(...of), systemFile });
  t.equal(await read({}, 0, false), defaultConfig);
  t.equal(await read({ HOME: t.testdir({}) }), defaultConfig);
  t.equal(await read({ HOME: t.testdir({ '.config': 'a file' }) }), defaultConfig);
});

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
      readConfig(caller({ UCRUN_CONFIG: path })),
      { code: 'CONFIG_INVALID', message, hint },
      path,
    );
  }
});

t.test('readConfig() hands every problem to whoever wants it, and takes what can be used', async (t) => {
  const folder = t.testdir({ bad: 'crun = "/c"\nstate_dir = 1', 'bad.txt': '<' });
  const problemsOf = async (path: string) => {
    const problems: string[] = [];
    const config = await readConfig(caller({ UCRUN_CONFIG: path }), ({ message }) => problems.push(message));
    return { config, problems };
  };
  t.match(await problemsOf(`${folder}/bad`), {
    config: { ...defaultConfig, crun: '/c' },
    problems: [/^"state_dir" in /],
  });
  for (const path of ['relative', `${folder}/none`, folder, `${folder}/bad.txt`]) {
    const { config, problems } = await problemsOf(path);
    t.strictSame(config, defaultConfig, path);
    t.equal(problems.length, 1, path);
  }
});

t.test('readConfig() reads the system’s file for root, and for a user who has none', async (t) => {
  const systemFile = `${t.testdir({ 'config.toml': 'crun = "/system"' })}/config.toml`;
  t.equal((await readConfig({ ...caller({}, 0, false), systemFile })).crun, '/system');
  t.equal((await readConfig({ ...caller({ HOME: '/nowhere' }), systemFile })).crun, '/system');
});
