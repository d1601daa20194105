/** An entry of a layer, as a tar archive has it. Whoever made the image may have written anything into it. */
export interface LayerEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'link' | 'other';
  /** What a link points to. */
  readonly target: string | undefined;
  readonly sizeBytes: number;
}

/** Where the content of an image's file is: an entry of a layer, both counted from 0. */
export interface FilePlace {
  readonly layer: number;
  readonly entry: number;
  readonly sizeBytes: number;
}

interface Directory {
  readonly kind: 'directory';
  readonly children: Map<string, Node>;
}

/** `layer`: the one that wrote it last; whiteouts hide what is of the layers below theirs only. */
type Node = { layer: number } & (
  | Directory
  | { readonly kind: 'file'; readonly place: FilePlace }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'other' }
);
type DirectoryNode = { layer: number } & Directory;

const maxLinks = 40;
const maxEntries = 1_000_000;
const maxDepth = 128;
const whiteout = '.wh.';
const opaque = '.wh..wh..opq';

/**
 * What an image's root file system looks like when its layers lie on each other, without a file of it being written: so no name
 * and no link in it can lead out.
 * @see opencontainers/image-spec layer.md, "Representing Changes"
 */
export class ImageTree {
  readonly #root: DirectoryNode = { kind: 'directory', layer: 0, children: new Map() };
  #layer = -1;
  #entry = 0;
  #count = 0;

  /** A further layer, on those before it. */
  beginLayer(): void {
    this.#layer++;
    this.#entry = 0;
  }

  /** The next entry of the layer. @returns false if there are more, or deeper ones, than any image has */
  add({ name, kind, target, sizeBytes }: LayerEntry): boolean {
    const place = { layer: this.#layer, entry: this.#entry++, sizeBytes };
    const parts = partsOf(name);
    if (++this.#count > maxEntries || parts.length > maxDepth) return false;
    const base = parts.pop();
    if (base === undefined) return true;
    const parent = this.#directoryAt(parts);
    if (parent === undefined) return true;
    if (base === opaque) this.#hideBelow(parent);
    else if (base.startsWith(whiteout)) this.#hide(parent, base.slice(whiteout.length));
    else this.#put(parent, base, kind, target, place);
    return true;
  }

  /**
   * The file that a path means, found as a process chrooted there would find it: links are followed inside, `..` stops at the
   * root. undefined if there is none.
   */
  find(path: string): FilePlace | undefined {
    const node = this.#walk(path.split('/'), false);
    return node?.kind === 'file' ? node.place : undefined;
  }

  #put(
    parent: DirectoryNode,
    base: string,
    kind: LayerEntry['kind'],
    target: string | undefined,
    place: FilePlace,
  ): void {
    const { layer } = place;
    const there = parent.children.get(base);
    if (kind === 'directory') {
      if (there?.kind === 'directory') there.layer = layer;
      else parent.children.set(base, { kind, layer, children: new Map() });
    } else if (kind === 'file') {
      parent.children.set(base, { kind, layer, place });
    } else if (kind === 'symlink') {
      parent.children.set(base, { kind, layer, target: target ?? '' });
    } else if (kind === 'link') {
      // Another name for an entry that came before it, and nothing where there was none. A directory has no second name.
      const linked = this.#walk(partsOf(target ?? ''), true);
      if (linked !== undefined && linked.kind !== 'directory')
        parent.children.set(base, { ...linked, layer });
    } else {
      parent.children.set(base, { kind, layer });
    }
  }

  /** The directory for an entry: made where there is none, as unpacking would. undefined if something else is there. */
  #directoryAt(parts: readonly string[]): DirectoryNode | undefined {
    const found = this.#walk(parts, false, true);
    return found?.kind === 'directory' ? found : undefined;
  }

  #walk(path: readonly string[], keepsLastLink: boolean, makes = false): Node | undefined {
    const pending = path.toReversed();
    const way: DirectoryNode[] = [this.#root];
    let links = 0;
    while (pending.length > 0) {
      const part = pending.pop() as string;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (way.length > 1) way.pop();
        continue;
      }
      const here = way.at(-1) as DirectoryNode;
      let node = here.children.get(part);
      if (node === undefined && makes) {
        node = { kind: 'directory', layer: this.#layer, children: new Map() };
        here.children.set(part, node);
      }
      if (node === undefined) return undefined;
      if (node.kind === 'directory') {
        way.push(node);
      } else if (node.kind === 'symlink' && !(keepsLastLink && pending.length === 0)) {
        if (++links > maxLinks || way.length > maxDepth) return undefined;
        if (node.target.startsWith('/')) way.length = 1;
        pending.push(...node.target.split('/').reverse());
      } else {
        // What is no directory has nothing below it.
        return pending.every((rest) => rest === '' || rest === '.') ? node : undefined;
      }
    }
    return way.at(-1);
  }

  #hide(parent: DirectoryNode, base: string): void {
    const node = parent.children.get(base);
    if (node === undefined) return;
    if (node.kind === 'directory') this.#hideBelow(node);
    const isEmpty = node.kind !== 'directory' || node.children.size === 0;
    if (node.layer !== this.#layer && isEmpty) parent.children.delete(base);
  }

  #hideBelow(directory: DirectoryNode): void {
    for (const base of directory.children.keys()) this.#hide(directory, base);
  }
}

/** The names on the way from the root, whatever the archive has written: `..` stops at the root. */
function partsOf(name: string): string[] {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts;
}
