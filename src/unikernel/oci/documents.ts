import { RuntimeError } from '../../base/runtime-error.ts';

/** What a manifest or an index says about a piece of an image. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform: { readonly architecture: string; readonly os: string } | undefined;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Of an image's configuration what says what its unikernel is. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  /** The version of the unikernel's system in images made by kraft. */
  readonly osVersion: string | undefined;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

type Raw = Readonly<Record<string, unknown>>;

const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

/** Whether a descriptor, or a document of that media type, is a list of images. */
export function isIndexType(mediaType: string): boolean {
  return indexTypes.includes(mediaType);
}

/** The images in an index. @throws RuntimeError OCI_IMAGE_INVALID @see opencontainers/image-spec image-index.md */
export function parseIndex(text: string, what: string): readonly Descriptor[] {
  const { manifests } = objectIn(text, what);
  if (!Array.isArray(manifests)) throw invalid(`${what} has no list of images`);
  return manifests.map((entry) => descriptorOf(entry, what));
}

/** @throws RuntimeError OCI_IMAGE_INVALID @see opencontainers/image-spec manifest.md */
export function parseManifest(text: string, what: string): Manifest {
  const { config, layers, annotations } = objectIn(text, what);
  if (!Array.isArray(layers)) throw invalid(`${what} has no layers`);
  return {
    config: descriptorOf(config, what),
    layers: layers.map((layer) => descriptorOf(layer, what)),
    annotations: textsOf(annotations),
  };
}

/** @throws RuntimeError OCI_IMAGE_INVALID @see opencontainers/image-spec config.md */
export function parseImageConfig(text: string, what: string): ImageConfig {
  const raw = objectIn(text, what);
  const config = isObject(raw.config) ? raw.config : {};
  return {
    architecture: textOf(raw.architecture) ?? '',
    os: textOf(raw.os) ?? '',
    osVersion: textOf(raw['os.version']),
    entrypoint: listOf(config.Entrypoint),
    command: listOf(config.Cmd),
    env: listOf(config.Env),
    labels: textsOf(config.Labels),
  };
}

/** kraft names the monitor in place of the operating system; of both kinds QEMU's is ours. */
const systems = ['qemu', 'linux', 'fc'];
const architectures = ['amd64', 'x86_64'];

/**
 * The image of an index that is for QEMU on this processor; the only one, where there is no choice.
 * @param reference the tag or whole name to take it by, where the index has several names
 * @throws RuntimeError OCI_IMAGE_INVALID
 */
export function chooseImage(all: readonly Descriptor[], what: string, reference?: string): Descriptor {
  const named = all.filter(({ annotations }) => annotations[refName] === reference);
  const candidates = reference !== undefined && named.length > 0 ? named : all;
  const rank = ({ platform }: Descriptor) =>
    platform === undefined || !architectures.includes(platform.architecture)
      ? -1
      : systems.indexOf(platform.os);
  const [best] = candidates.filter((descriptor) => rank(descriptor) >= 0).sort((a, b) => rank(a) - rank(b));
  if (best !== undefined) return best;
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0 && only.platform === undefined) return only;
  throw invalid(
    only === undefined
      ? `${what} is empty`
      : `${what} has no image for x86-64: there are ${candidates.map(platformText).join(', ')}`,
    only?.platform === undefined ? 'copy one of them out by its name (skopeo copy)' : undefined,
  );
}

/** The annotation by which an index names its images. */
export const refName = 'org.opencontainers.image.ref.name';

/** Whether a text can be a digest that we can check. It becomes a file's name. */
export function isDigest(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

function descriptorOf(value: unknown, what: string): Descriptor {
  const { mediaType, digest, size, annotations, platform } = isObject(value) ? value : ({} as Raw);
  const isWhole = typeof digest === 'string' && typeof size === 'number' && Number.isSafeInteger(size);
  if (!isWhole || !isDigest(digest) || size < 0)
    throw invalid(`${what} refers to a piece without a size, or without a SHA-256 digest`);
  const { architecture, os } = isObject(platform) ? platform : ({} as Raw);
  return {
    mediaType: textOf(mediaType) ?? '',
    digest,
    sizeBytes: size,
    annotations: textsOf(annotations),
    platform: isObject(platform)
      ? { architecture: textOf(architecture) ?? '', os: textOf(os) ?? '' }
      : undefined,
  };
}

function platformText({ platform, annotations }: Descriptor): string {
  return platform === undefined
    ? (annotations[refName] ?? 'one without a name')
    : `${platform.os}/${platform.architecture}`;
}

function objectIn(text: string, what: string): Raw {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RuntimeError('OCI_IMAGE_INVALID', `${what} is not JSON`, { cause });
  }
  if (isObject(value)) return value;
  throw invalid(`${what} is no JSON object`);
}

function invalid(message: string, hint?: string): RuntimeError {
  return new RuntimeError('OCI_IMAGE_INVALID', message, { hint });
}

function isObject(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
