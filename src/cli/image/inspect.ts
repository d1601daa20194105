import { statSync } from 'node:fs';
import { RuntimeError } from '../../base/runtime-error.ts';
import { exists, withKernelReader } from '../../host/files.ts';
import { openLayout, readImage } from '../../host/oci/layout.ts';
import { findInRegistries, listRegistries } from '../../host/registry.ts';
import { parseDefinition } from '../../unikernel/definition.ts';
import { checkName } from '../../unikernel/detect.ts';
import { identifyFile } from '../../unikernel/identify-file.ts';
import { requireKernelFormat } from '../../unikernel/kernel-format.ts';
import type { Answer, ImageContext } from './context.ts';
import { filesOf, sizeOf } from './entry-files.ts';
import { findUnikernel } from './oci-unikernel.ts';

/**
 * `image inspect`: what a unikernel of the registry is, or a file. A word that is a name in a registry means that one.
 * @throws RuntimeError if there is nothing of that name, or the unikernel could not be started
 */
export async function imageInspect(context: ImageContext, what: string): Promise<Answer> {
  const isName = !what.includes('/') && listRegistries(context.registries).includes(what);
  const found = !isName && exists(what) ? await inspectFile(context, what) : inspectEntry(context, what);
  return { text: `${JSON.stringify(found, undefined, 2)}\n`, json: found };
}

function inspectEntry({ registries }: ImageContext, name: string): object {
  if (name.includes('/')) throw new RuntimeError('KERNEL_MISSING', `file "${name}" is missing`);
  const entry = findInRegistries(registries, checkName(name));
  const definition = parseDefinition(entry.content, entry.source);
  const files = filesOf(entry, definition);
  const { kernel } = files;
  const format =
    kernel && withKernelReader(kernel, (reader) => requireKernelFormat(reader, definition.kernel ?? kernel));
  const described = [kernel, ...files.disks].find((path) => path !== undefined);
  const description = described && withKernelReader(described, identifyFile).description;
  const { source } = entry;
  return { name, source, definition, files, format, description, sizeBytes: sizeOf(files) };
}

async function inspectFile({ signal }: ImageContext, file: string): Promise<object> {
  const layout = openLayout(file);
  if (layout !== undefined) {
    const image = readImage(layout);
    const { architecture, os } = image.config;
    const kind = statSync(file).isDirectory() ? 'oci-layout' : 'oci-archive';
    const about = { file, kind, digest: image.digest, architecture, os };
    try {
      const { plan } = await findUnikernel(image, signal);
      const description = `OCI image with a ${plan.definition.guest} unikernel, made by ${plan.maker}`;
      return { ...about, description, maker: plan.maker, definition: plan.definition, leftOut: plan.leftOut };
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      return { ...about, description: 'OCI image', needs: error.message };
    }
  }
  if (!statSync(file).isFile())
    throw new RuntimeError('KERNEL_INVALID', `"${file}" is no regular file and no OCI layout`);
  return { file, sizeBytes: statSync(file).size, ...withKernelReader(file, identifyFile) };
}
