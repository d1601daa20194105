import { withAbsolutePath, withDigest } from '../unikernel/image-reference.ts';
import { chooseImage, type Descriptor, parseIndex } from '../unikernel/oci/documents.ts';
import { requireTool, runTool } from './tools.ts';

export interface SkopeoOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly showsProgress: boolean;
  /** Whether the image registry must have a certificate that is trusted. */
  readonly tlsVerify: boolean;
  readonly authfile: string | undefined;
}

/** The name that the one image has in layouts that are made on the way. */
const layoutName = 'image:unikernel';

/**
 * Copy an image into the layout `image` of a directory, with skopeo.
 * @param source in skopeo's form, with its transport
 * @throws RuntimeError TOOL_MISSING, TOOL_FAILED; OCI_IMAGE_INVALID if it is a list without an image for us
 * @see skopeo-copy(1)
 */
export async function copyToLayout(source: string, directory: string, options: SkopeoOptions): Promise<void> {
  const program = requireTool('skopeo', options.env.PATH);
  // skopeo runs in the layout's directory, whose path may hold the colon that ends one.
  const from = source.startsWith('docker://')
    ? await forThisProcessor(program, source, options)
    : withAbsolutePath(source, process.cwd());
  const args = ['copy', ...progressArgs(options), ...accessArgs('src-', options), from, `oci:${layoutName}`];
  await runTool({ ...options, program, args, cwd: directory, purpose: `copying the image "${source}"` });
}

/** Copy the layout `image` of a directory to an image registry. @throws RuntimeError TOOL_MISSING, TOOL_FAILED */
export async function copyFromLayout(
  directory: string,
  reference: string,
  options: SkopeoOptions,
): Promise<void> {
  const program = requireTool('skopeo', options.env.PATH);
  const target = `docker://${reference}`;
  const args = [
    'copy',
    ...progressArgs(options),
    ...accessArgs('dest-', options),
    `oci:${layoutName}`,
    target,
  ];
  await runTool({ ...options, program, args, cwd: directory, purpose: `copying the image to "${target}"` });
}

/** Of a list skopeo takes the image for Linux; kraft's are for QEMU. */
async function forThisProcessor(program: string, source: string, options: SkopeoOptions): Promise<string> {
  const args = ['inspect', '--raw', ...accessArgs('', options), source];
  const purpose = `looking for the image "${source}"`;
  const raw = await runTool({ ...options, showsProgress: false, program, args, purpose });
  if (!/"manifests"\s*:/.test(raw)) return source;
  const chosen: Descriptor = chooseImage(parseIndex(raw, `"${source}"`), `"${source}"`);
  return `docker://${withDigest(source.slice('docker://'.length), chosen.digest)}`;
}

function progressArgs({ showsProgress }: SkopeoOptions): readonly string[] {
  return showsProgress ? [] : ['--quiet'];
}

function accessArgs(side: '' | 'src-' | 'dest-', { tlsVerify, authfile }: SkopeoOptions): readonly string[] {
  return [
    ...(tlsVerify ? [] : [`--${side}tls-verify=false`]),
    ...(authfile === undefined ? [] : ['--authfile', authfile]),
  ];
}
