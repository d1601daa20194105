import type { ImageFiles } from '../../../src/unikernel/image-settings.ts';

/** An image with these files, and no links. */
export function imageWith(files: Readonly<Record<string, string>>): ImageFiles {
  const texts = new Map(Object.entries(files));
  return { isFile: (path) => texts.has(path), readText: (path) => texts.get(path) };
}

/** An image that says nothing about unikernels. */
export const plainImage: ImageFiles = imageWith({ '/etc/passwd': 'root:x:0:0::/:/bin/sh\n' });
