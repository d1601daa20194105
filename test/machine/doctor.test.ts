import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { diagnose } from '../../src/machine/doctor.ts';
import type { MachineHost } from '../../src/machine/host.ts';
import { MachineRouter } from '../../src/machine/router.ts';
import { defaultConfig } from '../../src/unikernel/config-defaults.ts';
import { record } from './support/records.ts';

t.test('a machine whose unikernel is gone is found, and keeps no other from being looked at', async (t) => {
  const folder = t.testdir();
  const host: MachineHost = {
    places: {
      scope: 'user',
      store: join(folder, 'store'),
      run: join(folder, 'run'),
      units: join(folder, 'units'),
    },
    config: { ...defaultConfig, registries: [join(folder, 'registry')] },
    env: { PATH: process.env.PATH },
    isRoot: false,
    stateRoot: join(folder, 'state'),
    self: '/usr/bin/ucrun',
  };
  const machines = new MachineRouter(host);
  for (const manager of ['ucrun', 'systemd'] as const)
    await machines.store.create(`by-${manager}`, async () => ({
      ...record,
      name: `by-${manager}`,
      manager,
      source: { kind: 'registry', name: 'gone' },
    }));
  mkdirSync(host.places.units);
  writeFileSync(join(host.places.units, 'ucrun-orphan.service'), '# ucrun machine "orphan", sha256 0\n');
  t.match(await diagnose(host, machines), [
    { kind: 'unusable', name: 'by-systemd', what: /^it cannot be started: unikernel "gone" is unknown/ },
    { kind: 'unusable', name: 'by-ucrun', remedy: /"ucrun image"/ },
    { kind: 'unit-orphaned', name: 'orphan' },
  ]);
});
