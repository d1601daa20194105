import { RuntimeError } from '../base/runtime-error.ts';

/** The transports of skopeo that hold images; without one, a reference means an image registry. */
const transports =
  /^(?:docker:\/\/|docker-daemon:|docker-archive:|containers-storage:|oci:|oci-archive:|dir:)/;

/** Whether a text names an image by one of skopeo's transports. @see containers-transports(5) */
export function hasTransport(text: string): boolean {
  return transports.test(text);
}

/** A source in skopeo's words whose path, if it has one, is the same in every working directory. @see containers-transports(5) */
export function withAbsolutePath(source: string, directory: string): string {
  return source.replace(
    /^((?:oci|oci-archive|docker-archive|dir):)(?!\/)/,
    (transport) => `${transport}${directory}/`,
  );
}

/**
 * A reference to an image, checked and without `docker://`.
 * @throws RuntimeError USAGE
 * @see distribution/reference regexp.go
 */
export function parseReference(text: string): string {
  const reference = text.replace(/^docker:\/\//, '');
  const pattern =
    /^[A-Za-z0-9](?:[A-Za-z0-9.:_/-]*[A-Za-z0-9])?(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
  if (reference.length <= 512 && pattern.test(reference)) {
    if (!/[A-Z]/.test(pathOf(reference))) return reference;
    throw new RuntimeError('USAGE', `"${text}" is no reference to an image: its name has capital letters`, {
      hint: 'only the host before it and the tag behind it may have some',
    });
  }
  throw new RuntimeError('USAGE', `"${text}" is no reference to an image`, {
    hint: 'a reference is HOST/NAME:TAG, such as localhost/hello:1',
  });
}

/** The name without host and tag; the first word is a host if it could be nothing else. */
function pathOf(reference: string): string {
  const [first = '', ...rest] = repositoryOf(reference).split('/');
  return rest.length > 0 && /[.:A-Z]|^localhost$/.test(first) ? rest.join('/') : [first, ...rest].join('/');
}

/** A reference with another digest in the place of its tag. */
export function withDigest(reference: string, digest: string): string {
  return `${repositoryOf(reference)}@${digest}`;
}

/** The name that a unikernel has by itself: the last part of a path or reference, without tag and ending. */
export function nameFrom(text: string): string {
  const path = text.replace(transports, '').replace(/\/+$/, '');
  const last = repositoryOf(path).split('/').at(-1) ?? '';
  return last
    .replace(/\.(?:img|raw|qcow2|tar|elf|bin|virtio|oci)$/i, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64);
}

/** The colon of a port stands before a slash, that of a tag behind the last one. */
function repositoryOf(reference: string): string {
  return reference.replace(/@[^/]*$/, '').replace(/:[^/:]*$/, '');
}
