import { RuntimeError } from '../base/runtime-error.ts';
import type { KernelReader } from './kernel-format.ts';

/** What a qcow2 file's header says about it. */
export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly virtualSizeBytes: number;
  /** It continues another file, whose name it has: not to be opened for somebody who is not trusted. */
  readonly hasBackingFile: boolean;
  /** Its bytes are in another file, whose name it has. */
  readonly hasDataFile: boolean;
  readonly isEncrypted: boolean;
}

const magic = 0x514649fb;
const minHeaderBytes = 72;
const externalDataBit = 1n << 2n;

/**
 * Read the header of a qcow2 file.
 * @returns undefined if the file is not one
 * @throws RuntimeError IMAGE_INVALID if it is cut off or of a version that is not known
 * @see QEMU docs/interop/qcow2.txt
 */
export function readQcow2Header(file: KernelReader): Qcow2Header | undefined {
  const bytes = file.read(0, 104);
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (header.byteLength < 4 || header.getUint32(0) !== magic) return undefined;
  if (header.byteLength < minHeaderBytes) throw qcow2Invalid('it is cut off');
  const version = header.getUint32(4);
  if (version !== 2 && version !== 3) throw qcow2Invalid(`it has version ${version}, and 2 and 3 are known`);
  if (version === 3 && header.byteLength < 104) throw qcow2Invalid('it is cut off');
  const virtualSize = header.getBigUint64(24);
  if (virtualSize > BigInt(Number.MAX_SAFE_INTEGER)) throw qcow2Invalid(`its size is ${virtualSize}`);
  return {
    version,
    virtualSizeBytes: Number(virtualSize),
    hasBackingFile: header.getBigUint64(8) !== 0n,
    hasDataFile: version === 3 && (header.getBigUint64(72) & externalDataBit) !== 0n,
    isEncrypted: header.getUint32(32) !== 0,
  };
}

export interface Qcow2Layout {
  readonly virtualSizeBytes: number;
  readonly clusterBits: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly backingPath: string;
  readonly backingFormat: 'raw' | 'qcow2';
}

const headerBytes = 104;
const backingFormatExtension = 0xe2792aca;

/** The start of a version 3 file with a backing file, up to its name. */
export function encodeQcow2Header(layout: Qcow2Layout): Uint8Array {
  const format = Buffer.from(layout.backingFormat);
  const path = Buffer.from(layout.backingPath);
  // The extension for the format is padded to eight bytes; one with no type and no length ends them.
  const pathOffset = headerBytes + 16 + 8;
  const bytes = Buffer.alloc(pathOffset + path.length);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt32BE(3, 4);
  bytes.writeBigUInt64BE(BigInt(pathOffset), 8);
  bytes.writeUInt32BE(path.length, 16);
  bytes.writeUInt32BE(layout.clusterBits, 20);
  bytes.writeBigUInt64BE(BigInt(layout.virtualSizeBytes), 24);
  bytes.writeUInt32BE(layout.l1Entries, 36);
  bytes.writeBigUInt64BE(BigInt(layout.l1Offset), 40);
  bytes.writeBigUInt64BE(BigInt(layout.refcountTableOffset), 48);
  bytes.writeUInt32BE(layout.refcountTableClusters, 56);
  // Reference counts of 2⁴ bits.
  bytes.writeUInt32BE(4, 96);
  bytes.writeUInt32BE(headerBytes, 100);
  bytes.writeUInt32BE(backingFormatExtension, headerBytes);
  bytes.writeUInt32BE(format.length, headerBytes + 4);
  format.copy(bytes, headerBytes + 8);
  path.copy(bytes, pathOffset);
  return bytes;
}

function qcow2Invalid(problem: string): RuntimeError {
  return new RuntimeError('IMAGE_INVALID', `the qcow2 image is damaged: ${problem}`);
}
