import { assertNever } from '../base/assert-never.ts';
import { guests } from './guests/index.ts';
import { type MachineDisk, type MachinePlan, type MachineShare, virtiofsShares } from './machine.ts';
import type { MachinePaths } from './sandbox-paths.ts';
import { virtioDevice } from './virtio-device.ts';

/**
 * QEMU's arguments for the machine's disks, which the guest sees in this order.
 * What is in an image may be the guest's, so QEMU neither guesses a format nor opens a file that an image names.
 * @see QEMU qapi/block-core.json, BlockdevOptions; docs/interop/qcow2.txt
 */
export function diskArgs(machine: MachinePlan, paths: MachinePaths): readonly string[] {
  return machine.disks.flatMap((disk, index) => [
    // JSON, because in the other form nothing says that there is no file behind this one.
    '-blockdev',
    JSON.stringify({ 'node-name': `disk${index}`, ...blockNode(disk, index, paths) }),
    '-device',
    virtioDevice(machine, 'blk', [
      `drive=disk${index}`,
      // QEMU would stop the machine when the host's file system is full, and nobody is there to let it go on.
      'werror=report',
      'rerror=report',
      ...(machine.boot === 'disk' && index === 0 ? ['bootindex=0'] : []),
    ]),
  ]);
}

/**
 * QEMU's arguments for the directories that the guest can mount.
 * @see qemu(1), "-fsdev local"; QEMU docs/system/devices/vhost-user.rst
 */
export function shareArgs(machine: MachinePlan, paths: MachinePaths): readonly string[] {
  // Nanos counts shares, and takes the tag for the number.
  const isNumbered = guests[machine.guest].settingsIn === 'nanos-image';
  return machine.shares.flatMap((share, index) => {
    const { driver, tag } = share;
    switch (driver) {
      case '9p':
        return [
          '-fsdev',
          fileSystem(share, paths),
          '-device',
          virtioDevice(machine, '9p', [`fsdev=${tag}`, `mount_tag=${isNumbered ? index : tag}`]),
        ];
      case 'virtiofs':
        return [
          '-chardev',
          `socket,id=${tag},path=${paths.shareSocket(tag)}`,
          '-device',
          virtioDevice(machine, 'vhost-user-fs', [`chardev=${tag}`, `tag=${tag}`]),
        ];
      default:
        return assertNever(driver);
    }
  });
}

/** The guest's memory as a file, where another process is to have it, too; else it is QEMU's own. */
export function memoryArgs(machine: MachinePlan): readonly string[] {
  if (virtiofsShares(machine).length === 0) return [];
  return ['-object', `memory-backend-memfd,id=${memoryBackend},size=${machine.memoryMiB}M,share=on`];
}

/** What `-M` needs besides for {@link memoryArgs}, with a comma before it. */
export function memoryOption(machine: Pick<MachinePlan, 'shares'>): string {
  return virtiofsShares(machine).length === 0 ? '' : `,memory-backend=${memoryBackend}`;
}

const memoryBackend = 'ram';

type BlockNode = Readonly<Record<string, unknown>>;

function blockNode(disk: MachineDisk, index: number, paths: MachinePaths): BlockNode {
  const node = formatNode(disk.format, paths.disk(index), disk.readOnly);
  if (!disk.isOverlay) return node;
  return {
    ...node,
    // One that is gone with the container: nothing would read what a crash of the host leaves of it.
    ...(disk.isKept === true ? {} : { cache: { 'no-flush': true } }),
    backing: formatNode(disk.baseFormat, paths.base(index), true),
  };
}

function formatNode(format: MachineDisk['format'], filename: string, readOnly: boolean): BlockNode {
  return {
    driver: format,
    'read-only': readOnly,
    file: { driver: 'file', filename },
    ...(format === 'qcow2' ? { backing: null } : {}),
  };
}

function fileSystem({ tag, readOnly }: MachineShare, paths: MachinePaths): string {
  const options = [
    'local',
    `id=${tag}`,
    `path=${paths.share(tag)}`,
    'security_model=none',
    // Two files of different file systems below one directory may have the same inode number.
    'multidevs=remap',
    ...(readOnly ? ['readonly=on'] : []),
  ];
  return options.join(',');
}
