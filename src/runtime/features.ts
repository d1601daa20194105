import { uruncPrefix } from '../unikernel/urunc-keys.ts';

/** What a list of the build options in `crun --version` tells. */
export interface CrunBuild {
  readonly version: string | undefined;
  /** Such as `SYSTEMD`, `SECCOMP`. */
  readonly options: readonly string[];
}

/** The annotations that change what ucrun does; one that ends in a dot stands for all that begin so. */
const ownAnnotations: readonly string[] = ['ucrun.', uruncPrefix];

/** Those that change what crun does. @see containers/crun src/libcrun/container.c */
const crunAnnotations: readonly string[] = [
  'run.oci.',
  'module.wasm.image/variant',
  'io.kubernetes.cri.container-type',
  'org.criu.',
  'krun.',
  'org.systemd.property.',
];

/** The output of `crun --version`. @see containers/crun src/crun.c, print_version */
export function parseCrunBuild(output: string): CrunBuild {
  return {
    version: /^crun version (\S+)/m.exec(output)?.[1],
    options: [...output.matchAll(/\+(\w+)/g)].map(([, option = '']) => option),
  };
}

/** A crun's own features document, with what ucrun adds to it. */
export function withOwnFeatures(
  features: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const theirs = features.potentiallyUnsafeConfigAnnotations;
  const known = Array.isArray(theirs) ? theirs.map(String) : crunAnnotations;
  return {
    ...features,
    potentiallyUnsafeConfigAnnotations: [
      ...new Set([...known, ...ownAnnotations, 'org.systemd.property.']),
    ].sort(),
  };
}

/**
 * The features document for a crun that has none (before 1.8.6): what every crun of that age can do, and what this one was
 * built with.
 * @see opencontainers/runtime-spec v1.2.0 features.md, features-linux.md
 */
export function featuresOfOldCrun({ version, options }: CrunBuild): Readonly<Record<string, unknown>> {
  const has = (option: string) => options.includes(option);
  return withOwnFeatures({
    ociVersionMin: '1.0.0',
    ociVersionMax: '1.1.0+dev',
    hooks: ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'],
    mountOptions,
    linux: {
      namespaces: ['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts'],
      ...(has('CAP') ? { capabilities } : {}),
      cgroup: { v1: true, v2: true, systemd: has('SYSTEMD'), systemdUser: has('SYSTEMD') },
      seccomp: has('SECCOMP')
        ? { enabled: true, actions: seccompActions, operators: seccompOperators }
        : { enabled: false },
      apparmor: { enabled: has('APPARMOR') },
      selinux: { enabled: has('SELINUX') },
      mountExtensions: { idmap: { enabled: true } },
    },
    annotations: {
      'run.oci.crun.checkpoint.enabled': String(has('CRIU')),
      ...(version === undefined ? {} : { 'run.oci.crun.version': version }),
    },
  });
}

/** @see containers/crun 1.8.1 src/libcrun/mount_flags.perf */
const mountOptions = (
  'async atime bind defaults dev diratime dirsync exec idmap mand noatime nodev nodiratime noexec nomand norelatime nostrictatime ' +
  'nosuid private rasync ratime rbind rdev rdiratime rdirsync relatime remount rexec rmand rnoatime rnodev rnodiratime rnoexec ' +
  'rnomand rnorelatime rnostrictatime rnosuid ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsync runbindable ' +
  'rw shared slave strictatime suid sync tmpcopyup unbindable'
).split(' ');

/** @see capabilities(7) */
const capabilities = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST ' +
  'NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE ' +
  'SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM ' +
  'BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

/** @see opencontainers/runtime-spec v1.2.0 config-linux.md, "Seccomp" */
const seccompActions = 'ALLOW ERRNO KILL KILL_PROCESS KILL_THREAD LOG NOTIFY TRACE TRAP'
  .split(' ')
  .map((name) => `SCMP_ACT_${name}`);
const seccompOperators = 'NE LT LE EQ GE GT MASKED_EQ'.split(' ').map((name) => `SCMP_CMP_${name}`);
