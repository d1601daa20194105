import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findCrun } from '../../src/forward/find-crun.ts';

/** A directory with a program called crun. */
function withCrun(folder: string, name: string): string {
  const directory = join(folder, name);
  mkdirSync(directory);
  writeFileSync(join(directory, 'crun'), '#!/bin/sh\n', { mode: 0o755 });
  return directory;
}

t.test('findCrun() takes the configured one, whatever is in PATH', async (t) => {
  const folder = t.testdir();
  const path = withCrun(folder, 'path');
  const own = withCrun(folder, 'own');
  t.equal(findCrun(`${own}/crun`, path), `${own}/crun`);
});

t.test('findCrun() refuses a configured crun that cannot be run', async (t) => {
  const folder = t.testdir({ plain: 'not executable', directory: {} });
  symlinkSync(process.execPath, join(folder, 'ourselves'));
  for (const name of ['missing', 'plain', 'plain/crun', 'directory', 'ourselves']) {
    const configured = join(folder, name);
    t.throws(
      () => findCrun(configured, '/usr/bin'),
      {
        code: 'CRUN_MISSING',
        message: `crun is missing: the configuration says "${configured}"`,
        hint: /key "crun" in ucrun's config\.toml/,
      },
      name,
    );
  }
});

t.test('findCrun() takes the first in PATH that is a program and not ourselves', async (t) => {
  const folder = t.testdir({ empty: {}, folder: { crun: {} }, linked: {}, plain: { crun: 'text' } });
  chmodSync(join(folder, 'plain/crun'), 0o644);
  symlinkSync(process.execPath, join(folder, 'linked/crun'));
  const one = withCrun(folder, 'one');
  const two = withCrun(folder, 'two');
  const cases: readonly [searchPath: string, expected: string][] = [
    [`${one}:${two}`, one],
    [`${folder}/missing:${two}:${one}`, two],
    [`${folder}/empty:${two}`, two],
    [`${folder}/plain:${two}`, two],
    [`${folder}/folder:${two}`, two],
    [`${folder}/linked:${two}`, two],
    // Nothing is looked for where the engine happens to stand.
    [`:.:../one:${two}`, two],
  ];
  const before = process.cwd();
  process.chdir(one);
  t.teardown(() => process.chdir(before));
  for (const [searchPath, expected] of cases)
    t.equal(findCrun(undefined, searchPath), `${expected}/crun`, searchPath);
});

t.test('findCrun() without a PATH looks in the usual directories, and names them', async (t) => {
  for (const searchPath of [undefined, '']) {
    try {
      t.match(findCrun(undefined, searchPath), /^\/(?:[a-z-]+\/)+crun$/, 'this host has one');
    } catch (error) {
      t.match(error, {
        code: 'CRUN_MISSING',
        message: /^crun is missing: looked in \/usr\/bin, \/usr\/local\/bin, \/bin, /,
        hint: /^install the package crun/,
      });
    }
  }
});
