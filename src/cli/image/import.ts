import { statSync } from 'node:fs';
import { RuntimeError } from '../../base/runtime-error.ts';
import { exists, withKernelReader } from '../../host/files.ts';
import { extractFiles } from '../../host/oci/layers.ts';
import { type OciLayout, openLayout, readImage } from '../../host/oci/layout.ts';
import type { Staging } from '../../host/registry-store.ts';
import { copyToLayout, type SkopeoOptions } from '../../host/skopeo.ts';
import { parseDefinition } from '../../unikernel/definition.ts';
import { checkName } from '../../unikernel/detect.ts';
import { type EntryPlan, planEntry } from '../../unikernel/entry-plan.ts';
import { guestKinds } from '../../unikernel/guests/guest.ts';
import { type FileIdentity, identifyFile } from '../../unikernel/identify-file.ts';
import { hasTransport, nameFrom } from '../../unikernel/image-reference.ts';
import { checkKernel, diskFormat } from './add.ts';
import type { Answer, ImageContext } from './context.ts';
import { type DefinitionOptions, definitionFrom, optionName } from './definition-options.ts';
import { findUnikernel } from './oci-unikernel.ts';
import { copyFiles, makeEntry } from './write-entry.ts';

export interface ImportRequest {
  /** A file, a directory, or an image in skopeo's words. */
  readonly source: string;
  /** undefined: the source's own. */
  readonly name: string | undefined;
  readonly replace: boolean;
  /** What the user wants to be otherwise than it was found. */
  readonly options: DefinitionOptions;
  readonly access: Pick<SkopeoOptions, 'tlsVerify' | 'authfile'>;
}

/** What was put into a registry's staging place. */
interface Imported {
  readonly plan: EntryPlan;
  readonly notes: readonly string[];
}

/** `image import` and `image pull`: make a unikernel of whatever something is. @throws RuntimeError */
export async function imageImport(context: ImageContext, request: ImportRequest): Promise<Answer> {
  const { source, replace } = request;
  const isPath = exists(source);
  if (!isPath && !hasTransport(source)) {
    throw new RuntimeError('KERNEL_MISSING', `"${source}" is missing`, {
      hint: 'an image of an image registry is docker://HOST/NAME:TAG, or "ucrun image pull HOST/NAME:TAG"',
    });
  }
  const name = request.name === undefined ? ownNameOf(source) : checkName(request.name);
  return await makeEntry(context, { name, replace }, async (staging) =>
    isPath ? await fromPath(context, request, staging) : await fromSkopeo(context, request, staging),
  );
}

/** @throws RuntimeError UNIKERNEL_INVALID */
function ownNameOf(source: string): string {
  const name = nameFrom(source);
  if (name !== '') return name;
  throw new RuntimeError('UNIKERNEL_INVALID', `"${source}" gives no name for the unikernel`, {
    hint: 'write one behind it',
  });
}

async function fromPath(context: ImageContext, request: ImportRequest, staging: Staging): Promise<Imported> {
  const { source } = request;
  const layout = openLayout(source);
  if (layout !== undefined) return await fromLayout(context, request, staging, layout);
  if (!statSync(source).isFile())
    throw new RuntimeError('OCI_IMAGE_INVALID', `"${source}" is no regular file and no OCI layout`);
  return await fromFile(context, request, staging);
}

async function fromSkopeo(
  context: ImageContext,
  request: ImportRequest,
  staging: Staging,
): Promise<Imported> {
  const { env, signal, progress } = context;
  const options = { ...request.access, env, signal, showsProgress: progress.isShown };
  await copyToLayout(request.source, staging.scratch, options);
  const layout = openLayout(`${staging.scratch}/image`);
  if (layout === undefined) throw new Error(`skopeo left no layout in ${staging.scratch}`);
  return await fromLayout(context, request, staging, layout);
}

async function fromLayout(
  context: ImageContext,
  { source, options }: ImportRequest,
  { entry }: Staging,
  layout: OciLayout,
): Promise<Imported> {
  const { signal, progress } = context;
  const image = readImage({ ...layout, path: source });
  const { plan: found, tree } = await findUnikernel(image, signal);
  const raw = { ...found.content, ...definitionFrom(options) };
  const definition = parseDefinition(raw, 'the image', optionName);
  // What is in a disk of an image is not looked at before it is here; its name says its format, as that of a volume.
  const plan = planEntry(raw, definition, (file) => (file.endsWith('.qcow2') ? 'qcow2' : 'raw'));
  const wanted = plan.files.map(({ from, name }) => {
    const place = tree.find(from);
    if (place === undefined)
      throw new RuntimeError('KERNEL_MISSING', `file "${from}" is missing from the image "${source}"`);
    return { place, target: `${entry}/${name}` };
  });
  progress.begin(
    'unpacking',
    wanted.reduce((total, { place }) => total + place.sizeBytes, 0),
  );
  await extractFiles(image, wanted, { mode: 0o644, signal, onBytes: progress.onBytes });
  const { kernel, guest } = definition;
  const notes = kernel === undefined ? [] : checkKernel(`${entry}/kernel`, kernel, guest);
  return { plan, notes: [...notes, ...found.leftOut] };
}

async function fromFile(
  context: ImageContext,
  { source, options }: ImportRequest,
  { entry }: Staging,
): Promise<Imported> {
  const identity = withKernelReader(source, identifyFile);
  const wished = definitionFrom(options);
  const guest = wished.guest ?? ('guest' in identity ? identity.guest : undefined);
  if (identity.kind !== 'disk' && identity.kind !== 'kernel') throw cannotImport(source, identity);
  const lacks = identity.kind === 'disk' ? 'guest' : identity.lacks;
  const isCompleted = lacks !== undefined && wished[lacks] !== undefined;
  if (identity.needs !== undefined && !isCompleted) throw cannotImport(source, identity);
  if (!(guestKinds as readonly unknown[]).includes(guest)) {
    throw new RuntimeError(
      'GUEST_UNKNOWN',
      `"${source}" is for a guest of type "${guest}", which this ucrun does not know: ${identity.description}`,
      { hint: `known guest types: ${guestKinds.join(', ')}` },
    );
  }
  const version = identity.kind === 'kernel' ? identity.version : undefined;
  const file =
    identity.kind === 'disk' ? { disk: [source] } : { [lacks === 'kernel' ? 'initrd' : 'kernel']: source };
  const raw = { ...(version === undefined ? {} : { version }), ...file, ...wished, guest };
  const definition = parseDefinition(raw, 'the command line', optionName);
  const { kernel } = definition;
  const notes = kernel === undefined ? [] : checkKernel(kernel, kernel, definition.guest);
  const plan = planEntry(raw, definition, diskFormat);
  await copyFiles(context, plan, entry);
  return { plan, notes: [`${source}: ${identity.description}`, ...notes] };
}

function cannotImport(source: string, { description, needs }: FileIdentity): RuntimeError {
  return new RuntimeError('GUEST_UNSUPPORTED', `"${source}" cannot be imported as it is: ${description}`, {
    hint: needs,
  });
}
