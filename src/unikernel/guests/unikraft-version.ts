/** What the command line of a release of Unikraft can hold. */
export interface UnikraftFeatures {
  /** `netdev.ip=`, one for each card; else `netdev.ipv4_addr=` and its like, lists of the cards' values. */
  readonly hasCardWords: boolean;
  /** `netdev.ipv4_dns0_addr=`, where there are no words for cards. */
  readonly hasNameServerWord: boolean;
  /** `vfs.fstab=`; else `vfs.rootfs=`, and nothing but a root. */
  readonly hasFstab: boolean;
  /** What extracts a memory disk, with what says that there is to be a file system below it. */
  readonly initrdEntry: string;
}

/**
 * What a release can do. Of a version such as `0.16.1~2c5b3e9` the first number counts.
 * @param version undefined, or without a number: the newest release
 * @see unikraft/unikraft lib/uknetdev/netdev.c, lib/vfscore/automount.c, lib/vfscore/rootfs.c of RELEASE-0.13.1, RELEASE-0.14.0,
 * RELEASE-0.16.0, RELEASE-0.16.1, RELEASE-0.17.0
 */
export function unikraftFeatures(version: string | undefined): UnikraftFeatures {
  const [, major, minor, patch] = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(version ?? '') ?? [];
  const release = major === undefined ? newest : [Number(major), Number(minor), Number(patch ?? 0)];
  const hasCardWords = !isBefore(release, [0, 16, 1]);
  return {
    hasCardWords,
    hasNameServerWord: !isBefore(release, [0, 16, 0]),
    hasFstab: !isBefore(release, [0, 14, 0]),
    initrdEntry: hasCardWords ? 'initrd0:/:extract::ramfs=2' : 'initrd0:/:initrd',
  };
}

const newest: readonly number[] = [Number.POSITIVE_INFINITY];

function isBefore(release: readonly number[], other: readonly number[]): boolean {
  for (const [index, part] of other.entries()) {
    const own = release[index] ?? 0;
    if (own !== part) return own < part;
  }
  return false;
}
