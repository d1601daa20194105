import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { type DefinitionKey, definitionKeys } from './definition.ts';
import { ownFile } from './oci/own-image.ts';
import type { Spec } from './spec.ts';
import { definitionFromUrunc, uruncPrefix } from './urunc-keys.ts';

/** The files of an image that say what unikernel it carries, read as a process chrooted there would find them. */
export interface ImageFiles {
  /** The text of a regular file; undefined if there is none. */
  readText(path: string): string | undefined;
  isFile(path: string): boolean;
}

/** Settings of a definition, with the place that each was found at. */
export interface ImageSettings {
  readonly settings: Readonly<Record<string, string>>;
  /** Key → how it is written where it was found, such as `ucrun.memory`. */
  readonly written: Readonly<Record<string, string>>;
  /** Where the unikernel is named, for error texts: `the annotations`, `/ucrun.json`. */
  readonly source: string;
  /** Who made the image says what its command line means: the first word is the guest's init. */
  readonly isUrunc: boolean;
}

export const annotationPrefix = 'ucrun.';
const uruncFile = '/urunc.json';

const kraftKernel = '/unikraft/bin/kernel';
const kraftInitrd = '/unikraft/bin/initrd';

/** What a unikernel is. Two places must not disagree on these; the others tune it, and the first place wins. */
const identityKeys: readonly DefinitionKey[] = ['guest', 'kernel', 'initrd', 'disk', 'root'];

export const noSettings: ImageSettings = { settings: {}, written: {}, source: '', isUrunc: false };

/** How a key of a definition is written as an annotation. */
export function annotationKey(key: string): string {
  return annotationPrefix + key;
}

/** Whether settings name a unikernel, rather than only tune one that is named elsewhere. */
export function namesUnikernel({ settings }: ImageSettings): boolean {
  return settings.kernel !== undefined || settings.guest !== undefined || settings.disk !== undefined;
}

/**
 * What the annotations `ucrun.*` say.
 * @throws RuntimeError UNIKERNEL_INVALID for one that is unknown
 */
export function ownAnnotations(spec: Pick<Spec, 'annotations'>): ImageSettings {
  const settings: Record<string, string> = {};
  for (const [key, value] of Object.entries(spec.annotations)) {
    if (!key.startsWith(annotationPrefix)) continue;
    const name = key.slice(annotationPrefix.length);
    if (!(definitionKeys as readonly string[]).includes(name)) throw unknownAnnotation(key);
    settings[name] = value;
  }
  return placeOf(settings, 'the annotations', annotationKey);
}

/**
 * What an image says it carries: in annotations of ours or urunc's, in /ucrun.json or /urunc.json, or by the layout of kraft's images.
 * @param own what {@link ownAnnotations} found
 * @returns undefined if it carries no unikernel
 * @throws RuntimeError UNIKERNEL_INVALID if two places contradict each other, or a file is not what its name says
 */
export function imageSettings(
  spec: Pick<Spec, 'annotations'>,
  own: ImageSettings,
  files: ImageFiles,
): ImageSettings | undefined {
  const places = [
    own,
    uruncPlace(spec.annotations, 'the annotations'),
    fileSettings(files, ownFile, ownFileSettings),
    fileSettings(files, uruncFile, (content) => uruncPlace(content, uruncFile)),
  ].filter((place) => place !== undefined);
  if (places.some(namesUnikernel)) return merge(places);
  if (!files.isFile(kraftKernel)) return undefined;
  const layout = {
    guest: 'unikraft',
    kernel: kraftKernel,
    ...(files.isFile(kraftInitrd) ? { initrd: kraftInitrd } : {}),
  };
  return merge([...places, placeOf(layout, "the layout of kraft's images", (key) => key)]);
}

/**
 * What several places say together: of what tunes a unikernel the first place wins.
 * @throws RuntimeError UNIKERNEL_INVALID if they contradict each other on what the unikernel is
 */
export function merge(places: readonly ImageSettings[]): ImageSettings {
  const settings: Record<string, string> = {};
  const written: Record<string, string> = {};
  const from: Record<string, string> = {};
  for (const place of places) {
    for (const [key, value] of Object.entries(place.settings)) {
      if (!Object.hasOwn(settings, key)) {
        settings[key] = value;
        written[key] = place.written[key] ?? key;
        from[key] = place.source;
      } else if (settings[key] !== value && (identityKeys as readonly string[]).includes(key)) {
        throw new RuntimeError(
          'UNIKERNEL_INVALID',
          `"${written[key]}" in ${from[key]} is "${settings[key]}", but "${place.written[key]}" in ${place.source} is "${value}"`,
          { hint: 'one container runs one unikernel: leave one of the two out' },
        );
      }
    }
  }
  const naming = places.filter(namesUnikernel);
  return {
    settings,
    written,
    source: [...new Set(naming.map(({ source }) => source))].join(' and '),
    isUrunc: naming[0]?.isUrunc ?? false,
  };
}

function placeOf(
  settings: Readonly<Record<string, string>>,
  source: string,
  shownKey: (key: string) => string,
): ImageSettings {
  const written = Object.fromEntries(Object.keys(settings).map((key) => [key, shownKey(key)]));
  return { settings, written, source, isUrunc: false };
}

/** A file of ours has no keys but ours. One that is misspelled could be the one that makes the container a unikernel. */
function ownFileSettings(content: Readonly<Record<string, string>>): ImageSettings {
  for (const key of Object.keys(content)) {
    if ((definitionKeys as readonly string[]).includes(key)) continue;
    const near = nearest(key, definitionKeys);
    throw new RuntimeError('UNIKERNEL_INVALID', `unknown key "${key}" in ${ownFile}`, {
      hint: near === undefined ? `known keys: ${definitionKeys.join(', ')}` : `did you mean "${near}"?`,
    });
  }
  return placeOf(content, ownFile, (key) => key);
}

/** @param values with urunc's full keys; others are not looked at */
function uruncPlace(values: Readonly<Record<string, string>>, source: string): ImageSettings | undefined {
  if (!Object.keys(values).some((key) => key.startsWith(uruncPrefix))) return undefined;
  const { settings, written } = definitionFromUrunc(values, source);
  return { settings, written, source, isUrunc: true };
}

/** @throws RuntimeError UNIKERNEL_INVALID */
function fileSettings<T>(
  files: ImageFiles,
  path: string,
  use: (content: Readonly<Record<string, string>>) => T,
): T | undefined {
  const text = files.readText(path);
  if (text === undefined) return undefined;
  const invalid = (what: string, cause?: unknown) =>
    new RuntimeError('UNIKERNEL_INVALID', `"${path}" in the image ${what}`, {
      cause,
      hint: 'it must be a JSON object whose values are texts',
    });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw invalid('is not JSON', cause);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw invalid('is not a JSON object');
  return use(Object.fromEntries(Object.entries(content).map(([key, value]) => [key, asText(value)])));

  function asText(value: unknown): string {
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    // A list of ports or disks, as unikernel.json may have it.
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value.join(',');
    throw invalid(`has a value that is ${value === null ? 'null' : 'no text'}`);
  }
}

function unknownAnnotation(key: string): RuntimeError {
  const known = definitionKeys.map(annotationKey);
  const near = nearest(key, known);
  return new RuntimeError('UNIKERNEL_INVALID', `unknown annotation "${key}"`, {
    hint: near === undefined ? `known annotations: ${known.join(', ')}` : `did you mean "${near}"?`,
  });
}
