import { RuntimeError } from '../../base/runtime-error.ts';
import { exists, withKernelReader } from '../../host/files.ts';
import { parseDefinition, type UnikernelDefinition } from '../../unikernel/definition.ts';
import { checkName } from '../../unikernel/detect.ts';
import { planEntry } from '../../unikernel/entry-plan.ts';
import { identifyFile } from '../../unikernel/identify-file.ts';
import { requireKernelFormat } from '../../unikernel/kernel-format.ts';
import { readQcow2Header } from '../../unikernel/qcow2-header.ts';
import type { DiskFormat } from '../../unikernel/volumes.ts';
import type { Answer, ImageContext } from './context.ts';
import { type DefinitionOptions, definitionFrom, optionName } from './definition-options.ts';
import { copyFiles, makeEntry, type NewEntry } from './write-entry.ts';

/** `image add`: put files together to a unikernel. @throws RuntimeError */
export async function imageAdd(
  context: ImageContext,
  entry: NewEntry,
  options: DefinitionOptions,
): Promise<Answer> {
  checkName(entry.name);
  const raw = definitionFrom(options);
  const definition = parseDefinition(raw, 'the command line', optionName);
  for (const file of filesIn(definition)) requireFile(file);
  const notes =
    definition.kernel === undefined
      ? []
      : checkKernel(definition.kernel, definition.kernel, definition.guest);
  const plan = planEntry(raw, definition, diskFormat);
  return await makeEntry(context, entry, async (staging) => {
    await copyFiles(context, plan, staging.entry);
    return { plan, notes };
  });
}

/**
 * The format of a disk image of the user's, by what is in it: no guest has written to it yet.
 * @throws RuntimeError IMAGE_INVALID for one that is only a part of an image, whose other part would stay behind
 */
export function diskFormat(file: string): DiskFormat {
  const header = withKernelReader(file, readQcow2Header);
  if (header === undefined) return 'raw';
  if (!header.hasBackingFile && !header.hasDataFile) return 'qcow2';
  throw new RuntimeError(
    'IMAGE_INVALID',
    `disk "${file}" is only a part of an image: it refers to another file`,
    {
      hint: 'make one image of it with "qemu-img convert -O qcow2"',
    },
  );
}

function filesIn({ kernel, initrd, disks }: UnikernelDefinition): readonly string[] {
  return [kernel, initrd, ...disks.map(({ file }) => file)].filter((file) => file !== undefined);
}

function requireFile(file: string): void {
  if (!exists(file)) throw new RuntimeError('KERNEL_MISSING', `file "${file}" is missing`);
}

/**
 * Whether a kernel can be booted. That it looks like one of another kind is a remark: the user may know better.
 * @param shownPath as the user knows the file
 * @throws RuntimeError KERNEL_INVALID, GUEST_UNSUPPORTED
 */
export function checkKernel(path: string, shownPath: string, guest: string): readonly string[] {
  return withKernelReader(path, (reader) => {
    requireKernelFormat(reader, shownPath);
    const identity = identifyFile(reader);
    if (identity.kind !== 'kernel') return [];
    const { description, needs, lacks } = identity;
    if (needs !== undefined && lacks === undefined) {
      throw new RuntimeError('GUEST_UNSUPPORTED', `"${shownPath}" cannot run on QEMU here: ${description}`, {
        hint: needs,
      });
    }
    const isAnother = guest !== 'raw' && identity.guest !== 'raw' && identity.guest !== guest;
    return isAnother ? [`"${shownPath}" does not look like a kernel of type "${guest}": ${description}`] : [];
  });
}
