import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { MachineRecord, MachineSettings } from '../../../src/machine/record.ts';
import {
  isUntouched,
  machineOfUnit,
  renderUnits,
  type UnitFacts,
} from '../../../src/machine/systemd/units.ts';
import { goldenFiles, matchesGolden } from '../../unikernel/support/golden.ts';
import { facts, record, settings } from '../support/records.ts';

const withSettings = (changed: Partial<MachineSettings>): MachineRecord => ({
  ...record,
  settings: { ...settings, ...changed },
});

const onBridge: MachineSettings['network'] = {
  kind: 'bridge',
  cards: [
    {
      bridge: 'br0',
      mac: '02:00:00:00:00:01',
      ipv4: { address: '192.0.2.2', prefixLength: 24 },
      ipv4Gateway: undefined,
      ipv6: undefined,
      ipv6Gateway: undefined,
    },
  ],
  nameServers: undefined,
};

const cases: Readonly<Record<string, readonly [MachineRecord, UnitFacts]>> = {
  plain: [record, facts],
  'kvm-restart': [
    {
      ...withSettings({
        cpus: 1.5,
        restart: { policy: 'on-failure', retries: 3, delayMs: 2500 },
        after: ['cache'],
        requires: ['db'],
      }),
      plan: { ...record.plan, usesKvm: true },
    },
    { ...facts, hasLowPorts: true, disks: '/var/lib/ucrun/machines/web/disks' },
  ],
  volumes: [
    withSettings({ network: { kind: 'none' } }),
    {
      ...facts,
      uid: 1000,
      readPaths: ['/root/a b.elf'],
      writePaths: ['/srv/100%'],
      environment: { UCRUN_CONFIG: '/etc/u c.toml' },
    },
  ],
  user: [
    withSettings({ restart: { policy: 'always', retries: undefined, delayMs: 1000 } }),
    { ...facts, scope: 'user', self: '/opt/u crun', environment: { XDG_DATA_HOME: '/home/u/$data' } },
  ],
  bridge: [withSettings({ network: onBridge }), facts],
  'bridge-ready': [withSettings({ network: onBridge, readyPort: 8080 }), facts],
  activated: [
    withSettings({ readyPort: 80, activation: { idleTimeoutMs: 60_000, innerPort: 34567 } }),
    facts,
  ],
};

for (const [name, [machine, unitFacts]] of Object.entries(cases)) {
  t.test(`renderUnits(): ${name}`, async (t) => {
    for (const unit of renderUnits(machine, unitFacts)) {
      matchesGolden(t, `units/${name}-${unit.name}`, unit.text);
      t.ok(isUntouched(unit.text));
      t.notOk(isUntouched(unit.text.replace('UMask=0077', 'UMask=0022').replace('[Socket]', '[Socket]\n')));
    }
  });
}

t.test('every golden file of units has its case', async (t) => {
  const names = Object.entries(cases).flatMap(([name, [machine, unitFacts]]) =>
    renderUnits(machine, unitFacts).map((unit) => `${name}-${unit.name}`),
  );
  t.strictSame(goldenFiles('units'), names.sort());
});

t.test('renderUnits() lowers no limit of what runs', async (t) => {
  const limit = (machine: MachineRecord) =>
    /^MemoryMax=(\d+)M$/m.exec(renderUnits(machine, facts)[0]?.text ?? '')?.[1];
  t.equal(limit(record), '110');
  t.equal(limit({ ...record, limitMiB: 200 }), '200');
  t.equal(limit({ ...record, limitMiB: 100 }), '110');
});

t.test('isUntouched() knows what is none of ours', async (t) => {
  t.notOk(isUntouched('[Service]\nExecStart=/bin/true\n'));
  t.notOk(isUntouched(''));
});

t.test('machineOfUnit() takes the service of a machine, and nothing else', async (t) => {
  t.equal(machineOfUnit('ucrun-web.1.service'), 'web.1');
  for (const unit of ['ucrun-web.socket', 'ucrunproxy-web.service', 'ucrun-.service', 'x.service'])
    t.equal(machineOfUnit(unit), undefined, unit);
});

const folder = mkdtempSync(join(tmpdir(), 'ucrun-units-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const analyze = (...args: readonly string[]) =>
  spawnSync('systemd-analyze', args, { encoding: 'utf8', cwd: folder });
const isMissing = analyze('--version').error !== undefined;
const skip = isMissing && 'systemd-analyze is not installed';

t.test('systemd accepts the units', { skip }, async (t) => {
  for (const [name, [machine, unitFacts]] of Object.entries(cases)) {
    const units = renderUnits(machine, { ...unitFacts, self: '/bin/true', socketProxy: '/bin/true' });
    for (const unit of units) writeFileSync(join(folder, unit.name), unit.text);
    for (const other of ['db', 'cache'])
      writeFileSync(join(folder, `ucrun-${other}.service`), '[Service]\nExecStart=/bin/true\n');
    const { stderr } = analyze(
      'verify',
      ...(unitFacts.scope === 'user' ? ['--user'] : []),
      '--man=no',
      ...units.map((unit) => `./${unit.name}`),
    );
    // Other units of the host's are its own affair.
    t.strictSame(
      stderr.split('\n').filter((line) => line.includes('ucrun')),
      [],
      name,
    );
  }
});

t.test('a system unit is exposed by at most 1.5, by 1.7 with a port below 1024', { skip }, async (t) => {
  const withKvm = { ...record, plan: { ...record.plan, usesKvm: true } };
  const disks = '/var/lib/ucrun/machines/web/disks';
  const bridged = { ...settings, network: onBridge, readyPort: 80 };
  // A port below 1024 takes a capability.
  for (const [name, machine, unitFacts, most] of [
    ['plain', record, facts, 1.3],
    ['kvm', withKvm, { ...facts, disks }, 1.4],
    ['low', record, { ...facts, hasLowPorts: true }, 1.6],
    ['kvm-low', withKvm, { ...facts, disks, hasLowPorts: true }, 1.7],
    ['bridge', withSettings({ network: onBridge }), facts, 1.3],
    ['bridge, kvm, ready port', { ...withKvm, settings: bridged }, facts, 1.5],
  ] as const) {
    writeFileSync(join(folder, 'ucrun-web.service'), renderUnits(machine, unitFacts)[0]?.text ?? '');
    const { stdout } = analyze('security', '--offline=true', '--no-pager', './ucrun-web.service');
    const [, level] = /Overall exposure level for \S+: (\d+\.\d+)/.exec(stdout) ?? [];
    t.ok(Number(level) <= most, `${name}: ${level}`);
  }
});
