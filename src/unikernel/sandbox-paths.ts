/** Where what QEMU works with is, as QEMU sees it. */
export interface MachinePaths {
  readonly kernel: string;
  readonly initrd: string;
  /** A disk of the machine's, counted from 0: the image itself, or the overlay over {@link MachinePaths.base}. */
  readonly disk: (index: number) => string;
  readonly base: (index: number) => string;
  /** The directory of a share's tag, and where its virtiofsd listens. */
  readonly share: (tag: string) => string;
  readonly shareSocket: (tag: string) => string;
  readonly qmp: string;
  readonly exitStatus: string;
  readonly events: string;
}

/**
 * Where things are inside the sandbox. All of it is read-only there but disks and shares that the guest may write, and
 * {@link sandboxPaths}.run, a small tmpfs that QEMU may write: what is found in it is hostile.
 */
export const sandboxPaths = {
  kernel: '/unikernel/kernel',
  initrd: '/unikernel/initrd',
  /** A disk of the machine's, counted from 0: the image itself, or the overlay over {@link sandboxPaths}.base. */
  disk: (index: number): string => `/unikernel/disk${index}`,
  /** The image that a disk is laid over. */
  base: (index: number): string => `/unikernel/base${index}`,
  /** The directory of a share's tag. */
  share: (tag: string): string => `/volumes/${tag}`,
  ucrun: '/ucrun',
  launch: '/ucrun/launch',
  run: '/ucrun/run',
  /** Where the virtiofsd of a share listens, and what it had to say. */
  shareSocket: (tag: string): string => `/ucrun/run/${tag}.sock`,
  shareErrors: (tag: string): string => `/ucrun/run/${tag}.err`,
  /**
   * A small tmpfs of passt's, there only with it: it shuts itself off in /tmp, and its AppArmor profile lets it write nowhere else. Where it
   * listens, its process id once it is ready, and what it had to say.
   */
  passt: '/tmp',
  passtSocket: '/tmp/passt.sock',
  passtReady: '/tmp/passt.pid',
  passtErrors: '/tmp/passt.err',
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
} as const satisfies MachinePaths & Readonly<Record<string, unknown>>;
