/**
 * Where things are inside the sandbox. All of it is read-only there but {@link sandboxPaths}.run, a small tmpfs that QEMU
 * may write: what is found in it is hostile.
 */
export const sandboxPaths = {
  kernel: '/unikernel/kernel',
  initrd: '/unikernel/initrd',
  /** The nth disk, and the image under it if it is an overlay. */
  disk: (index: number) => `/unikernel/disk${index}`,
  base: (index: number) => `/unikernel/base${index}`,
  /** A directory that the guest mounts over 9p. */
  share: (tag: string) => `/volumes/${tag}`,
  ucrun: '/ucrun',
  launch: '/ucrun/launch',
  run: '/ucrun/run',
  /** QEMU's control socket. */
  qmp: '/ucrun/run/qmp.sock',
  /** A byte of the launch script's, then the exit status that the guest wrote to its exit port. */
  exitStatus: '/ucrun/run/exit',
  /** A second control channel, on which QEMU says why it ends: two files with `.in` and `.out` behind this. */
  events: '/ucrun/run/events',
  /** What whoever reads that channel thought worth keeping; there only where somebody does. */
  lastEvents: '/ucrun/run/last-events',
  /** What QEMU itself had to say; the console has stdout to itself. */
  vmmErrors: '/ucrun/run/vmm.err',
} as const;
