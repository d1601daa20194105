import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { DoctorContext } from '../../../src/cli/doctor/context.ts';
import { findStale, staleCheck } from '../../../src/cli/doctor/stale.ts';
import { processStartTime } from '../../../src/host/processes.ts';
import { recordVersion } from '../../../src/runtime/record.ts';
import { crunRootOf, statePaths } from '../../../src/runtime/state-dir.ts';
import { defaultConfig } from '../../../src/unikernel/config-defaults.ts';

t.test('crunRootOf() is the root that a folder was named by', async (t) => {
  for (const crunRoot of ['/run/crun', '/', '/run/user/1000/crun', '/a-b/ü x/.c', '/run/a:b/c']) {
    const { directory } = statePaths(
      { configuredStateDir: '/s', xdgRuntimeDir: undefined, isHostRoot: true, crunRoot },
      'id',
    );
    t.equal(crunRootOf(directory.slice('/s/'.length)), crunRoot);
  }
  t.equal(crunRootOf(`${'x'.repeat(103)}+0123456789abcdef:id`), undefined);
});

t.test('findStale() finds what is left of containers that are gone, and nothing else', async (t) => {
  // A long path would be cut in the folders' names.
  const folder = mkdtempSync(join(tmpdir(), 'stale-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of ['state', 'overlays', 'crun/known']) mkdirSync(join(folder, name), { recursive: true });
  const stateRoot = `${folder}/state`;
  const context = {
    config: { ...defaultConfig, overlayDir: `${folder}/overlays` },
    stateRoot,
    isHostRoot: true,
    home: undefined,
  } as unknown as DoctorContext;
  const pathsFor = (id: string) =>
    statePaths(
      {
        configuredStateDir: stateRoot,
        xdgRuntimeDir: undefined,
        isHostRoot: true,
        crunRoot: `${folder}/crun`,
      },
      id,
    );
  const add = (id: string, record?: object) => {
    const paths = pathsFor(id);
    mkdirSync(paths.directory);
    if (record !== undefined) writeFileSync(paths.record, JSON.stringify(record));
    mkdirSync(`${folder}/overlays/${paths.directory.slice(stateRoot.length)}`);
    return paths;
  };
  const init = { pid: process.pid, startTime: processStartTime(process.pid) };
  add('known');
  add('alive', { version: recordVersion, init });
  const gone = add('gone-4711');
  add('broken-4711');
  writeFileSync(pathsFor('broken-4711').record, '{');
  mkdirSync(`${folder}/overlays/run-crun:orphan-4711`);
  mkdirSync(`${folder}/overlays/not-ours`);
  mkdirSync(`${stateRoot}/machines`);
  symlinkSync(pathsFor('known').directory, `${stateRoot}/uid-1`);
  symlinkSync(`${stateRoot}/nobody:x`, `${stateRoot}/uid-2`);
  symlinkSync(gone.directory, `${stateRoot}/uid-3`);

  t.strictSame(
    findStale(context).map(({ what }) => what),
    [`the user id ${stateRoot}/uid-2`],
    'what was made just now may belong to a container that is being made',
  );
  const found = findStale(context, 0);
  t.equal(found.length, 4, found.map(({ what }) => what).join('\n'));
  t.match(
    staleCheck(found, false),
    Array.from({ length: 4 }, () => ({ status: 'warning' })),
  );
  t.ok(existsSync(gone.directory), 'without --fix nothing is removed');
  t.match(
    staleCheck(found, true),
    Array.from({ length: 4 }, () => ({ status: 'ok', found: /^removed the / })),
  );
  for (const path of [
    gone.directory,
    `${stateRoot}/uid-2`,
    `${stateRoot}/uid-3`,
    `${folder}/overlays/run-crun:orphan-4711`,
  ])
    t.notOk(existsSync(path), path);
  for (const id of ['known', 'alive']) t.ok(existsSync(pathsFor(id).directory), id);
  for (const path of [`${stateRoot}/uid-1`, `${folder}/overlays/not-ours`, `${stateRoot}/machines`])
    t.ok(existsSync(path), path);
});
