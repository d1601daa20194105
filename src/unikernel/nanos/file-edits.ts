import { RuntimeError } from '../../base/runtime-error.ts';
import { sectorBytes } from './partitions.ts';
import type { NanosFile } from './settings.ts';
import type { TfsEdit, TfsEdits } from './tfs-encoder.ts';
import { byteString, childTuple, type TfsTuple } from './tfs-value.ts';

/** Where the bytes of a new file go. */
export interface PlacedFile extends NanosFile {
  /** From the start of the file system, in sectors. */
  readonly sector: number;
}

/**
 * The changes to the root tuple that add files and directories; a directory that is there stays, with all that is in it.
 * @throws RuntimeError GUEST_UNSUPPORTED for a path that leads through a file or a symbolic link of the image
 * @see nanovms/nanos src/fs/tfs.c (tfs_create, ingest_extent), nanovms/ops fs/tfs.go (writeFile)
 */
export function fileEdits(
  root: TfsTuple,
  files: readonly PlacedFile[],
  directories: readonly string[],
): TfsEdits {
  const tree: Folder = new Map();
  for (const path of directories) openFolder(tree, splitPath(path), path);
  for (const file of files) {
    const parts = splitPath(file.path);
    const name = parts.pop();
    if (name === undefined) throw notADirectory(file.path);
    openFolder(tree, parts, file.path).set(name, file);
  }
  const children = folderEdits(childTuple(root, 'children'), tree);
  return children.size === 0 ? new Map() : new Map([['children', merge(children)]]);
}

/** Of directories that are to be there, and files that are to be new. */
type Folder = Map<string, Folder | PlacedFile>;

function splitPath(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (!path.startsWith('/') || parts.includes('..') || path.includes('\0')) {
    throw new RuntimeError('GUEST_UNSUPPORTED', `${JSON.stringify(path)} is no path for a Nanos guest`, {
      hint: 'it must begin with "/", and have no ".." in it',
    });
  }
  return parts.map(byteString);
}

function openFolder(tree: Folder, parts: readonly string[], path: string): Folder {
  let folder = tree;
  for (const part of parts) {
    const next = folder.get(part) ?? new Map();
    if (!(next instanceof Map)) throw notADirectory(path);
    folder.set(part, next);
    folder = next;
  }
  return folder;
}

/** @param children what the image has in this directory */
function folderEdits(children: TfsTuple | undefined, folder: Folder): TfsEdits {
  const edits = new Map<string, TfsEdit>();
  for (const [name, content] of folder) {
    if (!(content instanceof Map)) {
      edits.set(name, fileEdit(content));
      continue;
    }
    const old = childTuple(children, name);
    const oldChildren = childTuple(old, 'children');
    if (old !== undefined && oldChildren === undefined) throw notADirectory(name);
    const inside = folderEdits(oldChildren, content);
    if (oldChildren !== undefined && inside.size === 0) continue;
    edits.set(name, merge(new Map([['children', merge(inside)]])));
  }
  return edits;
}

function fileEdit({ content, sector }: PlacedFile): TfsEdit {
  const sectors = String(Math.ceil(content.length / sectorBytes));
  const extent = replace([
    ['length', text(sectors)],
    ['offset', text(`${sector}`)],
    ['allocated', text(sectors)],
  ]);
  return replace([
    ['filelength', text(`${content.length}`)],
    ['extents', replace(content.length === 0 ? [] : [['0', extent]])],
  ]);
}

function notADirectory(path: string): RuntimeError {
  return new RuntimeError(
    'GUEST_UNSUPPORTED',
    `${JSON.stringify(path)} leads through something that is no directory in the Nanos image`,
  );
}

function text(value: string): TfsEdit {
  return { kind: 'text', text: value };
}

function replace(entries: readonly (readonly [string, TfsEdit])[]): TfsEdit {
  return { kind: 'replace', entries: new Map(entries) };
}

function merge(entries: TfsEdits): TfsEdit {
  return { kind: 'merge', entries };
}
