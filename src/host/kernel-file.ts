import { RuntimeError } from '../base/runtime-error.ts';
import { identifyFile } from '../unikernel/identify-file.ts';
import { identifyKernel, type KernelFormat, requireKernelFormat } from '../unikernel/kernel-format.ts';
import { withKernelReader } from './files.ts';
import type { UnikernelFiles } from './unikernel-files.ts';

/**
 * How QEMU starts a unikernel's kernel file; undefined: it has none.
 * @throws RuntimeError KERNEL_INVALID for a kernel that QEMU cannot boot, with what it would need if that is known
 */
export function kernelFormatOf({ definition, kernel }: UnikernelFiles): KernelFormat | undefined {
  if (kernel === undefined) return undefined;
  return withKernelReader(kernel, (reader) => {
    const format = identifyKernel(reader);
    if (format !== undefined) return format;
    const identity = identifyFile(reader);
    const shown = definition.kernel ?? kernel;
    if (identity.kind !== 'kernel') return requireKernelFormat(reader, shown);
    throw new RuntimeError('KERNEL_INVALID', `"${shown}" is not a kernel that QEMU can boot`, {
      hint: `it is a ${identity.description}: ${identity.needs}`,
    });
  });
}

/** The parameters of a Unikraft kernel differ by its version, which the file says where its definition does not. */
export function withVersion(files: UnikernelFiles): UnikernelFiles {
  const { definition, kernel } = files;
  if (definition.guest !== 'unikraft' || definition.version !== undefined || kernel === undefined)
    return files;
  const identity = withKernelReader(kernel, identifyFile);
  const version = identity.kind === 'kernel' ? identity.version : undefined;
  return { ...files, definition: { ...definition, version } };
}
