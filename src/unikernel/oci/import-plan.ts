import { RuntimeError } from '../../base/runtime-error.ts';
import { parseDefinition, rootOf, type UnikernelDefinition } from '../definition.ts';
import { type ImageFiles, imageSettings, ownAnnotations } from '../image-settings.ts';
import { uruncPrefix } from '../urunc-keys.ts';
import type { ImageConfig } from './documents.ts';
import { ownFile } from './own-image.ts';

/** What is known of an image before its files are taken out. */
export interface ImageFacts {
  readonly annotations: Readonly<Record<string, string>>;
  readonly config: ImageConfig;
  readonly files: ImageFiles;
}

export interface ImportPlan {
  /** Who made the image. */
  readonly maker: 'ucrun' | 'urunc' | 'kraft';
  /** The definition as it was found, with paths in the image. */
  readonly content: Readonly<Record<string, string>>;
  readonly definition: UnikernelDefinition;
  /** What the image says and a registry cannot keep, one sentence each. */
  readonly leftOut: readonly string[];
}

/** The files that describe a unikernel, without the directory. */
export const describingFiles: readonly string[] = ['ucrun.json', 'urunc.json'];

const kraftKernel = '/unikraft/bin/kernel';

/**
 * Find the unikernel in an image, as at the start of a container.
 * @throws RuntimeError OCI_IMAGE_INVALID if there is none, or one that only runs from its image; UNIKERNEL_INVALID and the like
 * for a definition that is wrong
 * @see unikraft/kraftkit oci/wellknown.go, oci/pack.go (the operating system's version is Unikraft's)
 */
export function planImport({ annotations, config, files }: ImageFacts): ImportPlan {
  // Builders write urunc's keys as labels, which some engines make annotations of.
  const labels = Object.entries(config.labels).filter(([key]) => key.startsWith(uruncPrefix));
  const spec = { annotations: { ...Object.fromEntries(labels), ...annotations } };
  const found = imageSettings(spec, ownAnnotations(spec), files);
  if (found === undefined) {
    throw new RuntimeError('OCI_IMAGE_INVALID', 'the image has no unikernel in it', {
      hint: `looked for annotations ucrun.* and ${uruncPrefix}*, /${describingFiles.join(', /')} and ${kraftKernel}`,
    });
  }
  const { settings, written, source, isUrunc } = found;
  if (settings.root === '9p') {
    throw new RuntimeError('OCI_IMAGE_INVALID', "the unikernel's root file system is its whole image", {
      hint: 'run the image itself, through an engine; a registry holds single files',
    });
  }
  const isKrafts = !isUrunc && settings.kernel === kraftKernel;
  const version = isKrafts ? /^v?(\d+\.\d+(?:\.\d+)?)/.exec(config.osVersion ?? '')?.[1] : undefined;
  const content = withProgram(
    { ...(version === undefined ? {} : { version }), ...settings },
    config,
    isUrunc,
  );
  return {
    maker: isUrunc ? 'urunc' : isKrafts ? 'kraft' : 'ucrun',
    content,
    definition: parseDefinition(content, source, (key) => written[key] ?? key),
    leftOut: leftOut(config, isUrunc && settings.guest === 'linux'),
  };
}

/**
 * The first word of urunc's Linux images is the program that the kernel is to start. A container from the registry has no such word,
 * so it becomes part of the command line.
 * @see urunc-dev/urunc pkg/unikontainers/unikernels/linux.go
 */
function withProgram(
  settings: Readonly<Record<string, string>>,
  { entrypoint, command }: ImageConfig,
  isUrunc: boolean,
): Readonly<Record<string, string>> {
  const [program] = [...entrypoint, ...command];
  if (!isUrunc || settings.guest !== 'linux' || program === undefined || !/^[!#-~]+$/.test(program))
    return settings;
  const root = rootOf(parseDefinition(settings, 'the image'));
  const parameter = root === 'initrd' || root === 'none' ? 'rdinit' : 'init';
  return { ...settings, cmdline: `${settings.cmdline ?? ''} ${parameter}=${program}`.trimStart() };
}

function leftOut({ entrypoint, command, env }: ImageConfig, hasProgram: boolean): readonly string[] {
  const words = [...entrypoint, ...command].slice(hasProgram ? 1 : 0);
  const args = words.filter((word, index) => index > 0 || (word !== ownFile && word !== kraftKernel));
  const variables = env.filter((entry) => !entry.startsWith('PATH='));
  return [
    ...(args.length > 0 ? [`its arguments are not kept; give them to the container: ${args.join(' ')}`] : []),
    ...(variables.length > 0
      ? [`its environment is not kept; give it to the container: ${variables.join(' ')}`]
      : []),
  ];
}
