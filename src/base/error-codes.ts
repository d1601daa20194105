/**
 * Every code a RuntimeError can carry, with its line in docs/errors.md (a test compares the two).
 *
 * How to add one: 1. add it here; 2. add the same line to docs/errors.md; 3. throw it with a hint where there is
 * something the reader can do.
 */
export const errorCodes = {
  USAGE: 'a command, option or argument on the command line is wrong',
  CONFIG_INVALID: 'the configuration file cannot be read or holds a wrong key or value',
  SPEC_INVALID: "the bundle's config.json is not valid JSON or breaks the specification",
  BUNDLE_MISSING: 'the bundle directory or its config.json is missing',
  CRUN_MISSING: 'crun is not installed, or not where the configuration says',
  CRUN_TOO_OLD: "the installed crun cannot take the bundle's OCI version",
  ID_INVALID: 'the container id is empty, too long, or has a character that is not allowed',
  CONTAINER_EXISTS: 'there is a container with this id already',
  EXEC_REFUSED: 'nothing can be executed inside a unikernel',
  UNIKERNEL_INVALID: 'the description of a unikernel has a wrong key or value',
  UNIKERNEL_UNKNOWN: 'no registry has a unikernel of this name',
  KERNEL_MISSING: 'a file of the unikernel (kernel, initrd or disk) is missing',
  KERNEL_INVALID: 'the kernel is no file that QEMU can boot',
  IMAGE_INVALID: 'the disk image is damaged, or not of the format that it should have',
  GUEST_UNKNOWN: 'the kind of guest is none that ucrun knows',
  GUEST_UNSUPPORTED: 'the guest cannot run on QEMU, or cannot do what was asked',
  MEMORY_INVALID: 'the memory is too little for the guest or more than the limit allows',
  VOLUME_UNSUPPORTED: 'the guest cannot mount this kind of volume',
  NETWORK_UNSUPPORTED: 'the network mode does not fit the guest or the host',
  PORT_INVALID: 'a port is no number from 1 to 65535 or too low for QEMU, or its protocol is not tcp or udp',
  PORT_TAKEN: 'another process listens on the port',
  QEMU_MISSING: 'QEMU is not installed, or not where the configuration says',
  VIRTIOFSD_MISSING: 'virtiofsd is not installed, or not where the configuration says',
  PASST_MISSING: 'passt is not installed, or not where the configuration says',
  KVM_UNAVAILABLE: 'the configuration demands KVM, and it does not work on this host',
  UNIKERNEL_EXISTS: 'the registry has a unikernel of this name already',
  UNIKERNEL_IN_USE: 'a container or a machine uses the unikernel',
  OCI_IMAGE_INVALID: 'an OCI image is damaged, or has no unikernel in it that a registry can hold',
  ENGINE_CONFIG_INVALID: "an engine's configuration file cannot be read, or not be added to",
  ENGINE_CONFIG_CHANGED: 'somebody has changed what "ucrun setup" wrote into an engine\'s configuration',
  TOOL_MISSING: 'a program that the command calls is not installed',
  TOOL_FAILED: 'a program that the command called has failed',
  STATE_BROKEN: "a container's record cannot be read",
  MACHINE_INVALID: 'the name or the record of a machine cannot be what it is',
  MACHINE_UNKNOWN: 'there is no machine of this name',
  MACHINE_EXISTS: 'there is a machine of this name already',
  MACHINE_STATE: 'a machine is in no state in which that can be done with it',
  MACHINE_BUSY: 'another command works on the machine',
  MACHINE_FAILED: 'a machine did not start, or does not answer',
  SYSTEMD_MISSING: 'systemd, which was asked for, does not run',
  SYSTEMD_FAILED: 'systemd did not do what it was asked for',
  UNIT_EDITED: 'a unit of a machine was changed by hand, and would be overwritten',
  UID_EXHAUSTED: "every user id of ucrun's range is in use",
  HOST_FAILED: 'the host refused an operation on a file, process or network link',
} as const satisfies Readonly<Record<string, string>>;

export type ErrorCode = keyof typeof errorCodes;
