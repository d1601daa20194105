import t from 'tap';
import { enginePortStart, type SandboxRequest, sandboxConfig } from '../../src/runtime/sandbox-config.ts';
import { capturedSpec, deepFreeze, specWith } from '../unikernel/support/fixtures.ts';
import { goldenFiles, matchesGolden } from '../unikernel/support/golden.ts';
import { microvm } from '../unikernel/support/plans.ts';

const tun = { path: '/dev/net/tun', major: 10, minor: 200 };
const kvm = { path: '/dev/kvm', major: 10, minor: 232 };

function request(spec: SandboxRequest['spec'], change: Partial<SandboxRequest> = {}): SandboxRequest {
  return deepFreeze({
    spec,
    machine: microvm,
    rootfs: '/run/ucrun/run-crun/id/rootfs',
    launchDirectory: '/run/ucrun/run-crun/id/launch',
    files: { kernel: '/var/lib/ucrun/unikernels/hello/hello.elf', initrd: undefined },
    disks: [],
    volumes: [],
    root: undefined,
    user: { uid: 1879048200, gid: 1879048200 },
    devices: [tun],
    hostDirectories: ['/usr'],
    inseparable: [],
    memoryOverheadMiB: 64,
    portStart: undefined,
    hasPasst: false,
    hasScope: false,
    ...change,
  });
}

/** The sandbox's specification as crun gets it. Whatever is frozen here, sandboxConfig() does not change. */
const contentOf = (spec: SandboxRequest['spec'], change: Partial<SandboxRequest> = {}) =>
  JSON.parse(JSON.stringify(sandboxConfig(request(spec, change)).content));

/** What a mount is for: the part of it that this test looks at. */
interface WrittenMount {
  readonly destination: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

const engines = ['podman-bridge', 'podman-host', 'podman-userns', 'docker', 'containerd'] as const;

t.test("sandboxConfig() of every engine's bundle", async (t) => {
  for (const engine of engines) {
    const isHost = engine === 'podman-host';
    const content = contentOf(capturedSpec(engine), { devices: isHost ? [] : [tun] });
    matchesGolden(t, `sandbox/${engine}.json`, `${JSON.stringify(content, undefined, 2)}\n`);
  }
  t.strictSame(
    goldenFiles('sandbox'),
    engines.map((engine) => `${engine}.json`).sort(),
    'no golden file is left over',
  );
});

t.test('sandboxConfig() lets passt shut itself off, under the profile of each engine', async (t) => {
  for (const engine of engines) {
    const spec = capturedSpec(engine);
    const before = contentOf(spec);
    const after = contentOf(spec, { hasPasst: true });
    const added = after.mounts.filter(({ destination }: WrittenMount) => destination === '/tmp');
    t.match(added, [{ type: 'tmpfs', options: /mode=0700,uid=1879048200,gid=1879048200/ }], engine);
    t.strictSame(
      after.mounts.filter(({ destination }: WrittenMount) => destination !== '/tmp'),
      before.mounts,
    );
    const { seccomp, ...rest } = after.linux;
    const { seccomp: engineSeccomp, ...engineRest } = before.linux;
    t.strictSame(rest, engineRest);
    const allows = (name: string) =>
      seccomp.syscalls.some(
        (rule: { names: string[]; action: string }) =>
          rule.action === 'SCMP_ACT_ALLOW' && rule.names.includes(name),
      );
    if (seccomp === undefined) t.equal(engineSeccomp, undefined);
    else for (const name of ['unshare', 'mount', 'umount2', 'pivot_root']) t.ok(allows(name), name);
  }
});

t.test('sandboxConfig() replaces what it has to, and keeps the rest as the engine has it', async (t) => {
  for (const engine of engines) {
    const spec = capturedSpec(engine);
    const { root, process, mounts, linux, ociVersion, ...rest } = contentOf(spec);
    const {
      root: _r,
      process: engineProcess,
      mounts: _m,
      linux: engineLinux,
      ociVersion: _v,
      ...engineRest
    } = JSON.parse(JSON.stringify(spec.raw));
    t.strictSame(rest, engineRest, `${engine}: hooks, annotations, hostname and all that is unknown`);
    t.equal(ociVersion, '1.0.2');
    const { devices: _devices, resources, maskedPaths, readonlyPaths, ...linuxRest } = linux;
    const {
      devices: _none,
      resources: engineResources,
      maskedPaths: engineMasked,
      readonlyPaths: engineReadonly,
      ...engineLinuxRest
    } = engineLinux;
    t.strictSame(linuxRest, engineLinuxRest, `${engine}: namespaces, cgroup, seccomp`);
    t.strictSame(maskedPaths.slice(0, engineMasked.length), engineMasked, `${engine}: masked paths`);
    t.strictSame(readonlyPaths.slice(0, engineReadonly.length), engineReadonly, `${engine}: read-only paths`);
    const { devices: _rules, memory: _memory, ...limits } = resources;
    const { devices: _engineRules, memory: _engineMemory, ...engineLimits } = engineResources;
    t.strictSame(limits, engineLimits, `${engine}: the limits of everything but memory`);
    const {
      user: _u,
      args: _a,
      env: _e,
      cwd: _c,
      capabilities: _caps,
      noNewPrivileges: _p,
      ...processRest
    } = engineProcess;
    const { user, args, env, cwd, capabilities, noNewPrivileges, ...ownRest } = process;
    t.strictSame(ownRest, processRest, `${engine}: terminal, rlimits, labels`);
    t.ok(mounts.length > 0 && root.readonly && user && args && env && cwd && capabilities && noNewPrivileges);
  }
});

t.test('sandboxConfig() keeps fields that it does not know', async (t) => {
  const spec = specWith({
    'org.example': { a: 1 },
    hooks: { prestart: [{ path: '/hook' }] },
    annotations: { 'org.example.x': 'y', 'org.systemd.property.TimeoutStopUSec': 'uint64 1' },
    process: {
      terminal: true,
      apparmorProfile: 'p',
      selinuxLabel: 'l',
      rlimits: [],
      oomScoreAdj: 3,
      scheduler: {},
    },
    linux: {
      seccomp: { defaultAction: 'SCMP_ACT_ERRNO' },
      mountLabel: 'm',
      sysctl: { a: 'b' },
      intelRdt: {},
    },
  });
  t.match(contentOf(spec), {
    'org.example': { a: 1 },
    hooks: { prestart: [{ path: '/hook' }] },
    annotations: { 'org.example.x': 'y', 'org.systemd.property.TimeoutStopUSec': 'uint64 1' },
    process: {
      terminal: true,
      apparmorProfile: 'p',
      selinuxLabel: 'l',
      rlimits: [],
      oomScoreAdj: 3,
      scheduler: {},
    },
    linux: {
      seccomp: { defaultAction: 'SCMP_ACT_ERRNO' },
      mountLabel: 'm',
      sysctl: { a: 'b' },
      intelRdt: {},
    },
  });
});

t.test('sandboxConfig() runs the launch script as a user who may do nothing', async (t) => {
  const { process, root } = contentOf(capturedSpec('podman-bridge'));
  t.strictSame(process.args, ['/bin/sh', '/ucrun/launch']);
  t.strictSame(process.user, { uid: 1879048200, gid: 1879048200 }, 'no further groups');
  t.strictSame(process.env, ['PATH=/usr/bin:/bin'], "the container's environment is the guest's");
  t.equal(process.cwd, '/');
  t.strictSame(process.capabilities, {
    bounding: [],
    effective: [],
    inheritable: [],
    permitted: [],
    ambient: [],
  });
  t.equal(process.noNewPrivileges, true);
  t.strictSame(root, { path: '/run/ucrun/run-crun/id/rootfs', readonly: true });
  t.match(
    contentOf(
      specWith({ process: { capabilities: { bounding: ['CAP_SYS_ADMIN'] }, noNewPrivileges: false } }),
    ).process,
    {
      capabilities: { bounding: [] },
      noNewPrivileges: true,
    },
  );
  t.match(contentOf(specWith({})).process, { args: ['/bin/sh', '/ucrun/launch'], noNewPrivileges: true });
});

t.test(
  'sandboxConfig() takes what is mounted below a directory along where it has to, read-only as well',
  async (t) => {
    const directories = { hostDirectories: ['/usr', '/lib64'], inseparable: ['/usr'] };
    const { mounts } = contentOf(specWith({}), directories) as { mounts: readonly WrittenMount[] };
    const options = (path: string) => mounts.find(({ destination }) => destination === path)?.options;
    t.strictSame(options('/usr'), ['rbind', 'rro', 'rnosuid', 'rnodev']);
    t.strictSame(options('/lib64'), ['bind', 'ro', 'nosuid', 'nodev']);
  },
);

t.test('sandboxConfig() mounts what QEMU needs, and nothing else', async (t) => {
  const spec = capturedSpec('podman-bridge');
  const mounts: readonly WrittenMount[] = contentOf(spec, {
    files: { kernel: '/k', initrd: '/i' },
    hostDirectories: ['/usr', '/lib64', '/nix/store'],
  }).mounts;
  t.strictSame(
    mounts.map(({ destination }) => destination),
    [
      '/proc',
      '/dev',
      '/dev/pts',
      '/usr',
      '/lib64',
      '/nix/store',
      '/unikernel/kernel',
      '/unikernel/initrd',
      '/etc/resolv.conf',
      '/ucrun',
      '/ucrun/run',
    ],
  );
  const find = (destination: string) => mounts.find((mount) => mount.destination === destination);
  t.strictSame(find('/unikernel/kernel'), {
    destination: '/unikernel/kernel',
    type: 'bind',
    source: '/k',
    options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'],
  });
  t.match(find('/unikernel/initrd'), { source: '/i' });
  t.match(find('/ucrun'), { source: '/run/ucrun/run-crun/id/launch' });
  t.match(find('/etc/resolv.conf'), { source: /\/userdata\/resolv\.conf$/ });
  for (const { destination, source, options = [] } of mounts) {
    if (!source?.startsWith('/') || destination === '/dev/shm') continue;
    for (const option of ['bind', 'ro', 'nosuid', 'nodev'])
      t.ok(options.includes(option), `${destination} is ${option}`);
    if (!['/usr', '/lib64', '/nix/store'].includes(destination))
      t.ok(options.includes('noexec'), `${destination} is noexec`);
  }
  t.strictSame(find('/ucrun/run'), {
    destination: '/ucrun/run',
    type: 'tmpfs',
    source: 'tmpfs',
    options: [
      'nosuid',
      'nodev',
      'noexec',
      'size=1m',
      'nr_inodes=32',
      'mode=0700',
      'uid=1879048200',
      'gid=1879048200',
    ],
  });
  t.strictSame(
    contentOf(specWith({})).mounts.map(({ destination }: WrittenMount) => destination),
    ['/usr', '/unikernel/kernel', '/ucrun', '/ucrun/run'],
  );
});

t.test('sandboxConfig() gives the mounts that its content has', async (t) => {
  const { content, mounts } = sandboxConfig(request(capturedSpec('docker')));
  t.strictSame(content.mounts, mounts);
});

t.test('sandboxConfig() raises the memory limits by what the monitor needs', async (t) => {
  const MiB = 1024 * 1024;
  const memory = (written: object | undefined) =>
    contentOf(specWith({ linux: { resources: { memory: written } } })).linux.resources.memory;
  t.strictSame(memory({ limit: 128 * MiB, swap: 256 * MiB }), { limit: 192 * MiB, swap: 320 * MiB });
  t.strictSame(
    memory({ limit: 128 * MiB, swap: -1 }),
    { limit: 192 * MiB, swap: -1 },
    'swap without a limit stays so',
  );
  t.strictSame(memory({ limit: 0 }), { limit: 0 });
  t.strictSame(memory({ limit: -1 }), { limit: -1 });
  t.strictSame(memory({ reservation: 5, disableOOMKiller: false }), {
    reservation: 5,
    disableOOMKiller: false,
  });
  t.strictSame(memory(undefined), undefined, 'no limit is made up');
});

t.test('sandboxConfig() allows the devices that QEMU needs, after the rules of the engine', async (t) => {
  const spec = specWith({
    linux: {
      devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229 }],
      resources: { devices: [{ allow: false, access: 'rwm' }] },
    },
  });
  const { devices, resources } = contentOf(spec, { devices: [kvm, tun], user: { uid: 7, gid: 8 } }).linux;
  t.strictSame(devices, [
    { path: '/dev/kvm', type: 'c', major: 10, minor: 232, fileMode: 0o600, uid: 7, gid: 8 },
    { path: '/dev/net/tun', type: 'c', major: 10, minor: 200, fileMode: 0o600, uid: 7, gid: 8 },
  ]);
  t.strictSame(resources.devices, [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 232, access: 'rw' },
    { allow: true, type: 'c', major: 10, minor: 200, access: 'rw' },
  ]);
  const { maskedPaths: _m, readonlyPaths: _r, ...none } = contentOf(specWith({}), { devices: [] }).linux;
  t.strictSame(none, { devices: [], resources: { devices: [] } });
});

const inert = ['nosuid', 'nodev', 'noexec'];

t.test('sandboxConfig() mounts each disk twice: the image to read, the overlay to write', async (t) => {
  const { mounts } = contentOf(specWith({}), {
    files: { kernel: undefined, initrd: undefined },
    disks: [
      { base: '/img/a.img', overlay: '/o/disk0.qcow2' },
      { base: '/img/b.qcow2', overlay: '/o/disk1.qcow2' },
    ],
  });
  const bound = (destination: string, source: string, mode: string) => ({
    destination,
    type: 'bind',
    source,
    options: ['bind', mode, ...inert],
  });
  t.strictSame(mounts.slice(1, 5), [
    bound('/unikernel/base0', '/img/a.img', 'ro'),
    bound('/unikernel/disk0', '/o/disk0.qcow2', 'rw'),
    bound('/unikernel/base1', '/img/b.qcow2', 'ro'),
    bound('/unikernel/disk1', '/o/disk1.qcow2', 'rw'),
  ]);
  t.strictSame(
    mounts
      .map(({ destination }: WrittenMount) => destination)
      .filter((path: string) => /kernel\/k/.test(path)),
    [],
    'there is no kernel where the disk is booted',
  );
});

t.test('sandboxConfig() mounts volumes where QEMU finds them, as writable as they are', async (t) => {
  const path = '/data';
  const volumes: SandboxRequest['volumes'] = [
    {
      guest: { kind: 'share', driver: '9p', tag: 'fs1', path, readOnly: false, file: undefined },
      source: '/srv/a',
      format: undefined,
    },
    {
      guest: { kind: 'share', driver: '9p', tag: 'fs2', path, readOnly: true, file: undefined },
      source: '/srv/b',
      format: undefined,
    },
    {
      guest: {
        kind: 'share',
        driver: '9p',
        tag: 'fs3',
        path: '/etc/app.conf',
        readOnly: true,
        file: 'app.conf',
      },
      source: '/srv/c.conf',
      format: undefined,
    },
    { guest: { kind: 'disk', index: 1, path, readOnly: false }, source: '/srv/d.img', format: 'raw' },
    { guest: { kind: 'disk', index: 2, path, readOnly: true }, source: '/srv/e.qcow2', format: 'qcow2' },
  ];
  const { mounts } = contentOf(specWith({}), { volumes });
  const expected: readonly [destination: string, source: string, ...options: string[]][] = [
    ['/volumes/fs1', '/srv/a', 'rbind', 'rw'],
    ['/volumes/fs2', '/srv/b', 'rbind', 'ro'],
    ['/volumes/fs3/app.conf', '/srv/c.conf', 'bind', 'ro'],
    ['/unikernel/disk1', '/srv/d.img', 'bind', 'rw'],
    ['/unikernel/disk2', '/srv/e.qcow2', 'bind', 'ro'],
  ];
  t.strictSame(
    mounts.slice(2, 7),
    expected.map(([destination, source, ...options]) => ({
      destination,
      type: 'bind',
      source,
      options: [...options, ...inert],
    })),
  );
});

t.test("sandboxConfig() shares the container's root with the engine's mounts in it", async (t) => {
  const spec = specWith({
    mounts: [
      {
        destination: '/data',
        type: 'bind',
        source: '/srv',
        options: ['rbind', 'exec', 'rsuid', 'dev', 'rexec', 'rw'],
      },
      { destination: '/link', source: '/s', options: ['bind', 'ro'], uidMappings: [{ containerID: 0 }] },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] },
    ],
  });
  const [data, link, tmp] = spec.mounts;
  if (data === undefined || link === undefined || tmp === undefined) throw new Error('three mounts');
  const mountsWith = (readOnly: boolean) =>
    contentOf(spec, {
      root: {
        source: '/c/rootfs',
        readOnly,
        mounts: [
          { mount: data, place: '/data' },
          { mount: link, place: '/led/elsewhere' },
          { mount: tmp, place: '/tmp' },
        ],
        kernels: [],
      },
    }).mounts.slice(2, 6);
  t.strictSame(mountsWith(false), [
    { destination: '/volumes/fs0', type: 'bind', source: '/c/rootfs', options: ['bind', 'rw', ...inert] },
    {
      destination: '/volumes/fs0/data',
      type: 'bind',
      source: '/srv',
      options: ['rbind', 'rw', ...inert],
    },
    {
      destination: '/volumes/fs0/led/elsewhere',
      source: '/s',
      options: ['bind', 'ro', ...inert],
      uidMappings: [{ containerID: 0 }],
    },
    {
      destination: '/volumes/fs0/tmp',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['size=1m', ...inert],
    },
  ]);
  t.match(mountsWith(true)[0], { destination: '/volumes/fs0', options: ['bind', 'ro'] });
});

t.test(
  "sandboxConfig() makes the container's user the monitor's, with its groups and no capability",
  async (t) => {
    const spec = specWith({
      process: {
        user: { uid: 0, gid: 0, additionalGids: [4, 27], umask: 18, username: 'root' },
        capabilities: { bounding: ['CAP_DAC_OVERRIDE'], effective: ['CAP_DAC_OVERRIDE'] },
        noNewPrivileges: false,
      },
    });
    const { process, mounts } = contentOf(spec, { user: spec.user });
    t.strictSame(process.user, { uid: 0, gid: 0, additionalGids: [4, 27] });
    t.strictSame(new Set(Object.values(process.capabilities).flat()), new Set());
    t.equal(process.noNewPrivileges, true);
    const run = mounts.find(({ destination }: WrittenMount) => destination === '/ucrun/run');
    t.match(run.options.join(), /,mode=0700,uid=0,gid=0$/);
  },
);

t.test('sandboxConfig() hides and protects paths of a privileged container, too', async (t) => {
  for (const linux of [undefined, {}, { maskedPaths: [], readonlyPaths: [] }, { maskedPaths: null }]) {
    const content = contentOf(specWith({ linux })).linux;
    for (const path of ['/proc/kcore', '/proc/keys', '/proc/acpi', '/proc/scsi', '/proc/timer_list'])
      t.ok(content.maskedPaths.includes(path), `${path} with ${JSON.stringify(linux)}`);
    for (const path of ['/proc/sys', '/proc/sysrq-trigger', '/proc/irq', '/proc/bus', '/proc/fs'])
      t.ok(content.readonlyPaths.includes(path), `${path} with ${JSON.stringify(linux)}`);
  }
});

t.test('sandboxConfig() keeps annotations from changing how crun runs the sandbox', async (t) => {
  const kept = {
    'run.oci.systemd.subgroup': '',
    'run.oci.delegate-cgroup': 'container',
    'run.oci.mount_context_type': 'context',
    a: 'b',
  };
  const refused = {
    'run.oci.handler': 'krun',
    'run.oci.keep_original_groups': '1',
    'run.oci.seccomp_bpf_data': 'BgAAAAAA/38=',
    'run.oci.seccomp.plugins': '/image/plugin.so',
    'run.oci.seccomp.receiver': '/run/some.sock',
    'run.oci.pidfd_receiver': '/run/some.sock',
    'run.oci.hooks.stdout': '/etc/cron.d/x',
    'run.oci.hooks.stderr': '/etc/cron.d/x',
    'run.oci.systemd.force_cgroup_v1': '/usr',
    'run.oci.of-some-later-crun': '1',
    'module.wasm.image/variant': 'compat',
  };
  t.strictSame(contentOf(specWith({ annotations: { ...refused, ...kept } })).annotations, kept);
  const outside = { 'run.oci.systemd.subgroup': '../other', 'run.oci.delegate-cgroup': 'a/../../b' };
  t.strictSame(contentOf(specWith({ annotations: outside })).annotations, {});
});

t.test('sandboxConfig() has systemd stop the scope by PWR, unless another end was chosen', async (t) => {
  const key = 'org.systemd.property.KillSignal';
  const stopSignal = { 'org.opencontainers.image.stopSignal': '10' };
  const rows: readonly [annotations: Record<string, string> | undefined, expected: string | undefined][] = [
    [undefined, '30'],
    [{}, '30'],
    [{ [key]: '15' }, '30'],
    [{ [key]: 'int32 37' }, '30'],
    [{ [key]: '10' }, '10'],
    [{ [key]: '10', ...stopSignal }, '30'],
    [{ [key]: '12', ...stopSignal }, '12'],
    [{ [key]: '9' }, '9'],
    [{ [key]: "'x'" }, "'x'"],
  ];
  for (const [annotations, expected] of rows) {
    const { annotations: written } = contentOf(specWith({ annotations }), { hasScope: true });
    t.strictSame(written, { ...annotations, [key]: expected }, JSON.stringify(annotations));
    t.strictSame(contentOf(specWith({ annotations })).annotations, annotations, 'without a scope: as it was');
  }
});

t.test("sandboxConfig() lets the monitor listen at low ports, beside the engine's own sysctls", async (t) => {
  const spec = specWith({ linux: { sysctl: { 'net.ipv4.ping_group_range': '0 0' } } });
  t.strictSame(contentOf(spec, { portStart: 80 }).linux.sysctl, {
    'net.ipv4.ping_group_range': '0 0',
    'net.ipv4.ip_unprivileged_port_start': '80',
  });
  t.strictSame(contentOf(spec).linux.sysctl, { 'net.ipv4.ping_group_range': '0 0' });
  t.notOk('sysctl' in contentOf(specWith({})).linux);
});

t.test('enginePortStart() is what the specification sets', async (t) => {
  const name = 'net.ipv4.ip_unprivileged_port_start';
  t.equal(enginePortStart(capturedSpec('podman-bridge')), undefined);
  t.equal(enginePortStart(capturedSpec('docker')), '0');
  t.equal(enginePortStart(specWith({ linux: { sysctl: { [name]: '443' } } })), '443');
  t.equal(enginePortStart(specWith({ linux: { sysctl: { [name]: 5 } } })), undefined);
});
