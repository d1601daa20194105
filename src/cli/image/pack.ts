import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { RuntimeError } from '../../base/runtime-error.ts';
import { listDirectory } from '../../host/files.ts';
import {
  archiveLayout,
  beginLayout,
  finishLayout,
  writeDocument,
  writeLayer,
} from '../../host/oci/write-layout.ts';
import { findInRegistries, resolveInEntry } from '../../host/registry.ts';
import { findTool, runTool } from '../../host/tools.ts';
import { parseDefinition } from '../../unikernel/definition.ts';
import { checkName } from '../../unikernel/detect.ts';
import { planEntry } from '../../unikernel/entry-plan.ts';
import { parseReference } from '../../unikernel/image-reference.ts';
import { ownDirectory, ownFile } from '../../unikernel/oci/own-image.ts';
import {
  imageConfig,
  imageIndex,
  imageManifest,
  ownDescription,
  placeInImage,
} from '../../unikernel/oci/pack-plan.ts';
import { diskFormat } from './add.ts';
import type { Answer, ImageContext } from './context.ts';

export interface PackRequest {
  readonly name: string;
  readonly reference: string;
  /** A file, or a directory for a layout; undefined: a file of the unikernel's name. */
  readonly output: string | undefined;
  /** Whether the image goes to where this host's engine has its images. */
  readonly loads: boolean;
}

/** `image pack`: make an OCI image that needs no registry of unikernels. @throws RuntimeError */
export async function imagePack(context: ImageContext, request: PackRequest): Promise<Answer> {
  const { name, loads } = request;
  const reference = parseReference(request.reference);
  const target = request.output ?? (loads ? undefined : `${checkName(name)}.tar`);
  // Beside its target, so that it can be renamed to it.
  const parent = target === undefined ? temporaryDirectory(context.env) : dirname(resolve(target));
  const isLayout = target !== undefined && (target.endsWith('/') || isDirectory(target));
  if (isLayout && listDirectory(target).length > 0)
    throw new RuntimeError('USAGE', `directory "${target}" is not empty`, {
      hint: 'name one that is, or a file',
    });
  const work = makeWorkDirectory(parent);
  try {
    const { digest, files } = await packInto(context, name, reference, work);
    if (isLayout) {
      if (isDirectory(target)) rmSync(target, { recursive: true });
      renameSync(work, target.replace(/\/+$/, ''));
    } else {
      const archive = target ?? `${work}/archive.tar`;
      context.progress.begin(
        'writing',
        files.reduce((sum, file) => sum + statSync(`${work}/${file}`).size, 0),
      );
      await archiveLayout(work, files, archive, {
        signal: context.signal,
        onBytes: context.progress.onBytes,
      });
      if (loads) await load(context, archive);
    }
    const place = target ?? 'the images of this host';
    return {
      text: `packed ${name} as ${reference} into ${place} (${digest})\n`,
      json: { name, reference, digest, output: target },
    };
  } finally {
    context.progress.end();
    rmSync(work, { recursive: true, force: true });
  }
}

/** A directory for what is needed on the way. The caller removes it. */
export function makeWorkDirectory(parent: string): string {
  if (!isDirectory(parent)) throw new RuntimeError('USAGE', `directory "${parent}" is missing`);
  return mkdtempSync(`${parent}/.ucrun-pack-`);
}

/** Where there is room for images: /tmp may be in memory. */
export function temporaryDirectory({ TMPDIR: given }: NodeJS.ProcessEnv): string {
  return given?.startsWith('/') ? given : '/var/tmp';
}

/** Make the layout of a unikernel's image in an empty directory. @returns its digest, and its files in order */
export async function packInto(
  { registries, signal, progress }: ImageContext,
  name: string,
  reference: string,
  directory: string,
): Promise<{ readonly digest: string; readonly files: readonly string[] }> {
  const entry = findInRegistries(registries, checkName(name));
  const definition = parseDefinition(entry.content, entry.source);
  if (definition.root === '9p') {
    throw new RuntimeError('UNIKERNEL_INVALID', `unikernel "${name}" has its container's root file system`, {
      hint: `build an image that has it, and put ${ownFile} and the kernel into that`,
    });
  }
  const resolved = (file: string) => resolveInEntry(entry, file, 'file');
  const plan = planEntry(entry.content, definition, (file) => diskFormat(resolved(file)), `${ownDirectory}/`);
  const sources = plan.files.map(({ from, name: place }) => ({
    path: placeInImage(place),
    content: { source: resolved(from) },
  }));
  progress.begin(
    'packing',
    sources.reduce((sum, { content }) => sum + statSync(content.source).size, 0),
  );
  beginLayout(directory);
  const files = [{ path: ownFile, content: ownDescription(plan) }, ...sources];
  const layer = await writeLayer(directory, files, { signal, onBytes: progress.onBytes });
  const config = writeDocument(directory, imageConfig(name, plan, definition, layer.diffId));
  const manifest = writeDocument(directory, imageManifest(plan, config, layer));
  finishLayout(directory, imageIndex(manifest, reference));
  const blobs = [layer, config, manifest].map(({ digest }) => `blobs/${digest.replace(':', '/')}`);
  return { digest: manifest.digest, files: ['oci-layout', 'index.json', ...blobs.sort()] };
}

/** podman's own command knows where a user's images are; buildah's is for hosts without podman. */
async function load({ env, signal, progress }: ImageContext, archive: string): Promise<void> {
  const podman = findTool('podman', env.PATH);
  const buildah = findTool('buildah', env.PATH);
  const program = podman ?? buildah;
  if (program === undefined) {
    throw new RuntimeError('TOOL_MISSING', 'there is neither podman nor buildah to load the image with', {
      hint: 'install one of them, or write the image to a file with --output',
    });
  }
  const args =
    podman === undefined
      ? ['pull', '--quiet', `oci-archive:${archive}`]
      : ['load', '--quiet', '--input', archive];
  progress.end();
  await runTool({ program, args, env, signal, showsProgress: false, purpose: 'loading the image' });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
