import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { newRecord, readRecord, writeRecord } from '../../src/runtime/record.ts';
import { pathsOf } from '../../src/runtime/state-dir.ts';
import { microvm } from '../unikernel/support/plans.ts';

const record = newRecord({
  id: 'c1',
  bundle: '/b',
  rootfs: '/b/rootfs',
  annotations: { a: 'b' },
  machine: microvm,
  graceMs: 5000,
  guest: {
    cmdline: '',
    version: undefined,
    workingDirectory: undefined,
    root: 'none',
    volumes: [],
    args: ['x y'],
    env: ['SECRET=é'],
    hostname: undefined,
    port: 8080,
  },
  network: {
    mode: 'auto',
    isHostNetwork: false,
    namespacePath: undefined,
    isShared: false,
    isRootless: false,
    hasTun: true,
    hasVhost: false,
    passt: undefined,
    ports: [],
    resolvConf: undefined,
  },
  disks: [{ base: '/b/rootfs/disk.img', overlay: '/run/ucrun/x:c1/overlays/disk0.qcow2' }],
  pidFile: '/b/pid',
  uid: { container: 1, host: 1 },
  gid: 100,
});

t.test('readRecord() gives back what writeRecord() was given', async (t) => {
  const paths = pathsOf(`${t.testdir()}/root/c1`);
  mkdirSync(paths.directory, { recursive: true });
  t.equal(readRecord(paths), undefined, 'before there is one');
  const written = { ...record, init: { pid: 7, startTime: '99' } };
  writeRecord(paths, written);
  t.strictSame(readRecord(paths), JSON.parse(JSON.stringify(written)));
  t.equal(statSync(paths.record).mode & 0o777, 0o600, 'it holds the environment');
});

t.test('readRecord() of a container without a folder finds none', async (t) => {
  t.equal(readRecord(pathsOf(`${t.testdir()}/root/c1`)), undefined);
});

t.test('readRecord() refuses a record that is cut, of another kind or of another version', async (t) => {
  const paths = pathsOf(`${t.testdir()}/root/c1`);
  mkdirSync(paths.directory, { recursive: true });
  writeRecord(paths, record);
  const whole = readFileSync(paths.record, 'utf8');
  const cases: readonly [text: string, problem: string][] = [
    ['', 'is not JSON'],
    [whole.slice(0, whole.length / 2), 'is not JSON'],
    ['{}', 'has version undefined, not 2'],
    ['null', 'has version undefined, not 2'],
    ['[]', 'has version undefined, not 2'],
    [whole.replace('"version": 2', '"version": 1'), 'has version 1, not 2'],
  ];
  for (const [text, problem] of cases) {
    writeFileSync(paths.record, text);
    t.throws(
      () => readRecord(paths),
      {
        code: 'STATE_BROKEN',
        message: `the container's record "${paths.record}" ${problem}`,
        hint: /delete --force/,
      },
      JSON.stringify(text.slice(0, 20)),
    );
  }
});
