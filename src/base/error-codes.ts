/**
 * Every code a RuntimeError can carry, with the exit status of the command that fails with it, and its line in
 * docs/errors.md (a test compares the two).
 *
 * How to add one: 1. add it here; 2. add the same line to docs/errors.md; 3. throw it with a hint where there is
 * something the reader can do.
 */
export const errorCodes = {
  USAGE: { exitStatus: 1, help: 'a command, option or argument on the command line is wrong' },
  CONFIG_INVALID: {
    exitStatus: 1,
    help: 'the configuration file cannot be read or holds a wrong key or value',
  },
  SPEC_INVALID: {
    exitStatus: 1,
    help: "the bundle's config.json is not valid JSON or breaks the specification",
  },
  BUNDLE_MISSING: { exitStatus: 1, help: 'the bundle directory or its config.json is missing' },
  CRUN_MISSING: { exitStatus: 1, help: 'crun is not installed, or not where the configuration says' },
  CRUN_TOO_OLD: { exitStatus: 1, help: "the installed crun cannot take the bundle's OCI version" },
  ID_INVALID: {
    exitStatus: 1,
    help: 'the container id is empty, too long, or has a character that is not allowed',
  },
  CONTAINER_EXISTS: { exitStatus: 1, help: 'there is a container with this id already' },
  EXEC_REFUSED: { exitStatus: 1, help: 'nothing can be executed inside a unikernel' },
  UNIKERNEL_INVALID: { exitStatus: 1, help: 'the description of a unikernel has a wrong key or value' },
  UNIKERNEL_UNKNOWN: { exitStatus: 1, help: 'no registry has a unikernel of this name' },
  KERNEL_MISSING: { exitStatus: 1, help: 'a file of the unikernel (kernel, initrd or disk) is missing' },
  KERNEL_INVALID: { exitStatus: 1, help: 'the kernel is no file that QEMU can boot' },
  GUEST_UNKNOWN: { exitStatus: 1, help: 'the kind of guest is none that ucrun knows' },
  GUEST_UNSUPPORTED: { exitStatus: 1, help: 'the guest cannot run on QEMU, or cannot do what was asked' },
  MEMORY_INVALID: {
    exitStatus: 1,
    help: 'the memory is too little for the guest or more than the limit allows',
  },
  VOLUME_UNSUPPORTED: { exitStatus: 1, help: 'the guest cannot mount this kind of volume' },
  NETWORK_UNSUPPORTED: { exitStatus: 1, help: 'the network mode does not fit the guest or the host' },
  PORT_INVALID: {
    exitStatus: 1,
    help: 'a port is no number from 1 to 65535, or its protocol is not tcp or udp',
  },
  PORT_TAKEN: { exitStatus: 1, help: 'another process listens on the port' },
  QEMU_MISSING: { exitStatus: 1, help: 'QEMU is not installed, or not where the configuration says' },
  KVM_UNAVAILABLE: {
    exitStatus: 1,
    help: 'the configuration demands KVM, and it does not work on this host',
  },
  STATE_BROKEN: { exitStatus: 1, help: "a container's record cannot be read" },
  UID_EXHAUSTED: { exitStatus: 1, help: "every user id of ucrun's range is in use" },
  HOST_FAILED: { exitStatus: 1, help: 'the host refused an operation on a file, process or network link' },
} as const satisfies Readonly<Record<string, { readonly exitStatus: number; readonly help: string }>>;

export type ErrorCode = keyof typeof errorCodes;
