/** The size of the area before the first partition in which the kernel leaves its last words. */
export const klogBytes = 4096;

/** Where in that area the exit code is: 32 bits, little endian, with a sign. */
export const klogExitCodeOffset = 12;

export interface Klog {
  readonly bootId: bigint;
  /** What the program gave to exit(), or 127 if the kernel gave up, or the number of the signal that ended the program. */
  readonly exitCode: number;
  /** The end of what was on the console. */
  readonly messages: string;
}

/**
 * What the kernel left. It writes before it ends, if the exit code is not 0, whether or not `debug_exit` is set, and all of the
 * code, of which QEMU's status loses the highest bit. It does not after a fault in the kernel itself (126 in QEMU's status).
 * @param area the {@link klogBytes} bytes
 * @returns undefined if it left nothing: the code was 0, if the area was empty before
 * @see nanovms/nanos src/kernel/log.h (struct klog_dump), src/kernel/init.c (storage_shutdown, vm_exit), src/runtime/runtime.h
 */
export function parseKlog(area: Uint8Array): Klog | undefined {
  if (area.length < klogBytes) return undefined;
  const bytes = Buffer.from(area.buffer, area.byteOffset, klogBytes);
  if (bytes.toString('latin1', 0, 4) !== 'KLOG') return undefined;
  const text = bytes.subarray(klogExitCodeOffset + 4);
  const end = text.indexOf(0);
  return {
    bootId: bytes.readBigUInt64LE(4),
    exitCode: bytes.readInt32LE(klogExitCodeOffset),
    messages: text.toString('utf8', 0, end === -1 ? text.length : end),
  };
}
