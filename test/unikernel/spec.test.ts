import t from 'tap';
import { environmentValue, findNamespace, parseSpec } from '../../src/unikernel/spec.ts';
import { capturedSpec, specWith } from './support/fixtures.ts';

t.test('parseSpec() reads what podman writes', async (t) => {
  const spec = capturedSpec('podman-bridge');
  t.match(spec, {
    ociVersion: '1.0.2-dev',
    rootPath: /^\/var\/lib\/containers\/storage\/overlay\/a+\/merged$/,
    args: ['sleep', '1000'],
    hostname: 'web',
    memoryLimitBytes: 268435456,
    cpuQuota: 1.5,
    uidMappings: [],
  });
  t.equal(environmentValue(spec, 'SERVICE_NAME'), 'hello');
  t.equal(environmentValue(spec, 'GREETING'), 'hello world');
  t.match(findNamespace(spec, 'network'), { path: /^\/run\/netns\// });
  t.equal(findNamespace(spec, 'user'), undefined);
  t.match(
    spec.mounts.find(({ destination }) => destination === '/etc/resolv.conf'),
    { type: 'bind', source: /\/resolv\.conf$/, raw: { options: ['bind', 'rprivate'] } },
  );
  t.strictSame(capturedSpec('podman-userns').uidMappings, [{ containerId: 0, hostId: 100000, size: 65536 }]);
  t.equal(findNamespace(capturedSpec('podman-host'), 'network'), undefined);
});

t.test('parseSpec() reads what docker and containerd write', async (t) => {
  const docker = capturedSpec('docker');
  t.match(docker, { ociVersion: '1.0.2-dev', memoryLimitBytes: 268435456, cpuQuota: 1.5, annotations: {} });
  t.strictSame(findNamespace(docker, 'network'), { type: 'network', path: undefined });
  const containerd = capturedSpec('containerd');
  t.match(containerd, {
    rootPath: 'rootfs',
    hostname: undefined,
    cpuQuota: undefined,
    memoryLimitBytes: 268435456,
  });
});

t.test('parseSpec() takes nothing but a version to be there', async (t) => {
  t.strictSame(specWith({}), {
    raw: { ociVersion: '1.0.2' },
    ociVersion: '1.0.2',
    rootPath: '',
    rootReadOnly: false,
    args: [],
    cwd: '/',
    user: { uid: 0, gid: 0, additionalGids: [] },
    env: [],
    setsOpenFilesLimit: false,
    hostname: undefined,
    annotations: {},
    mounts: [],
    namespaces: [],
    uidMappings: [],
    gidMappings: [],
    memoryLimitBytes: undefined,
    cpuQuota: undefined,
    cpusetSize: undefined,
  });
  const nothing = { process: null, root: null, linux: null, mounts: null, annotations: null, hostname: null };
  t.match(specWith(nothing), { args: [], mounts: [], annotations: {}, hostname: undefined });
  t.match(specWith({ linux: { resources: { memory: null, cpu: null }, namespaces: null } }), {
    namespaces: [],
  });
});

t.test('parseSpec() keeps what it does not know', async (t) => {
  const written = {
    ociVersion: '1.0.2',
    'com.example': { a: [1, 2] },
    linux: { seccomp: { defaultAction: 'x' } },
  };
  t.strictSame(parseSpec(JSON.stringify(written)).raw, written);
});

t.test('parseSpec() takes limits of 0 and -1 for none', async (t) => {
  const limited = (memory: object, cpu: object) => specWith({ linux: { resources: { memory, cpu } } });
  t.match(limited({ limit: 0 }, { quota: 0 }), { memoryLimitBytes: undefined, cpuQuota: undefined });
  t.match(limited({ limit: -1 }, { quota: -1, period: 100000 }), {
    memoryLimitBytes: undefined,
    cpuQuota: undefined,
  });
  t.match(limited({ limit: null }, { quota: null }), { memoryLimitBytes: undefined, cpuQuota: undefined });
  t.match(limited({ limit: 1 }, { quota: 25000, period: 50000 }), { memoryLimitBytes: 1, cpuQuota: 0.5 });
  t.match(limited({}, { quota: 200000 }), { cpuQuota: 2 }, 'the period has a default');
  t.match(limited({}, { quota: 200000, period: 0 }), { cpuQuota: 2 });
});

t.test('parseSpec() counts the CPUs of a set', async (t) => {
  const cases: readonly [cpus: string | null, size: number | undefined][] = [
    ['0', 1],
    ['0-2,4', 4],
    ['3, 5-6 ', 3],
    ['0-127', 128],
    ['', undefined],
    [null, undefined],
    ['2-0', undefined],
    ['0-3:1/2', undefined],
    ['all', undefined],
    ['1,', undefined],
  ];
  for (const [cpus, cpusetSize] of cases)
    t.match(specWith({ linux: { resources: { cpu: { cpus } } } }), { cpusetSize }, `"${cpus}"`);
});

t.test('parseSpec() names the field that has the wrong type', async (t) => {
  const cases: readonly [fields: object, field: string, wanted: string, value: string][] = [
    [{ ociVersion: 1 }, 'ociVersion', 'a string', '1'],
    [{ ociVersion: undefined }, 'ociVersion', 'a string', 'nothing'],
    [{ root: [] }, 'root', 'an object', '[]'],
    [{ root: { path: 3 } }, 'root.path', 'a string', '3'],
    [{ process: 'sh' }, 'process', 'an object', '"sh"'],
    [{ process: { args: 'sh' } }, 'process.args', 'a list', '"sh"'],
    [{ process: { args: ['sh', 1] } }, 'process.args[]', 'a string', '1'],
    [{ process: { env: { A: 'B' } } }, 'process.env', 'a list', '{"A":"B"}'],
    [{ process: { env: [null] } }, 'process.env[]', 'a string', 'null'],
    [{ hostname: {} }, 'hostname', 'a string', '{}'],
    [{ annotations: [] }, 'annotations', 'an object', '[]'],
    [{ annotations: { 'a.b': true } }, 'annotations["a.b"]', 'a string', 'true'],
    [{ mounts: {} }, 'mounts', 'a list', '{}'],
    [{ mounts: ['/a'] }, 'mounts[]', 'an object', '"/a"'],
    [{ mounts: [{}] }, 'mounts[].destination', 'a string', 'nothing'],
    [{ mounts: [{ destination: '/a', type: 1 }] }, 'mounts[].type', 'a string', '1'],
    [{ mounts: [{ destination: '/a', source: [] }] }, 'mounts[].source', 'a string', '[]'],
    [{ linux: true }, 'linux', 'an object', 'true'],
    [{ linux: { namespaces: {} } }, 'linux.namespaces', 'a list', '{}'],
    [{ linux: { namespaces: [{}] } }, 'linux.namespaces[].type', 'a string', 'nothing'],
    [{ linux: { namespaces: [{ type: 'pid', path: 1 }] } }, 'linux.namespaces[].path', 'a string', '1'],
    [
      { linux: { uidMappings: [{ containerID: '0' }] } },
      'linux.uidMappings[].containerID',
      'a number',
      '"0"',
    ],
    [{ linux: { gidMappings: [{ containerID: 0 }] } }, 'linux.gidMappings[].hostID', 'a number', 'nothing'],
    [{ linux: { resources: 1 } }, 'linux.resources', 'an object', '1'],
    [{ linux: { resources: { memory: 1 } } }, 'linux.resources.memory', 'an object', '1'],
    [{ linux: { resources: { memory: { limit: '1' } } } }, 'linux.resources.memory.limit', 'a number', '"1"'],
    [{ linux: { resources: { cpu: { quota: '1' } } } }, 'linux.resources.cpu.quota', 'a number', '"1"'],
    [{ linux: { resources: { cpu: { period: '1' } } } }, 'linux.resources.cpu.period', 'a number', '"1"'],
  ];
  for (const [fields, field, wanted, value] of cases) {
    t.throws(
      () => specWith(fields),
      {
        code: 'SPEC_INVALID',
        message: `${field} in the bundle's config.json must be ${wanted}, not ${value}`,
      },
      JSON.stringify(fields),
    );
  }
});

t.test('parseSpec() refuses what is no JSON object', async (t) => {
  for (const text of ['', '{', 'nonsense', '{"a":1}}']) {
    t.throws(
      () => parseSpec(text),
      { code: 'SPEC_INVALID', message: 'config.json of the bundle is not JSON' },
      text,
    );
  }
  for (const text of ['[]', 'null', '1', '"text"']) {
    t.throws(
      () => parseSpec(text),
      { code: 'SPEC_INVALID', message: /^config\.json .* must be an object/ },
      text,
    );
  }
});

t.test('environmentValue() gives the last value, and only of that name', async (t) => {
  const env = ['A=1', 'AB=2', 'A=3=4', 'EMPTY=', 'NAKED', 'A'];
  const cases: readonly [name: string, value: string | undefined][] = [
    ['A', '3=4'],
    ['AB', '2'],
    ['EMPTY', ''],
    ['NAKED', undefined],
    ['B', undefined],
  ];
  for (const [name, value] of cases) t.equal(environmentValue({ env }, name), value, name);
});

t.test('parseSpec() tells whether the limit of open files is set', async (t) => {
  const spec = (...types: readonly string[]) =>
    parseSpec(
      JSON.stringify({
        ociVersion: '1.0.2',
        process: { rlimits: types.map((type) => ({ type, hard: 1, soft: 1 })) },
      }),
    );
  t.equal(spec('RLIMIT_NPROC').setsOpenFilesLimit, false);
  t.equal(spec('RLIMIT_NPROC', 'RLIMIT_NOFILE').setsOpenFilesLimit, true);
});

t.test('parseSpec() keeps integers that a number cannot hold as they are written', async (t) => {
  const text =
    '{"ociVersion":"1.0.2","process":{"rlimits":[{"type":"RLIMIT_CORE","hard":18446744073709551615,"soft":1}]},"linux":{"resources":{"memory":{"limit":9223372036854771712}}}}';
  const spec = parseSpec(text);
  t.equal(JSON.stringify(spec.raw), text);
  t.equal(spec.memoryLimitBytes, undefined, 'more than any machine has is no limit');
});
