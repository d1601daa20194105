import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

const folder = new URL('../../../../deploy/kubernetes', import.meta.url).pathname;

/** Of a pod's manifest, what is used here. */
export interface PodManifest {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly runtimeClassName?: string;
    readonly containers: readonly ContainerManifest[];
  };
}

export interface ContainerManifest {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports?: readonly { readonly containerPort: number; readonly hostPort?: number }[];
  readonly resources?: { readonly limits?: { readonly memory?: string; readonly cpu?: string } };
  /** No manifest has this: kubelet gives containers annotations of its own only, but other clients can. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The objects in a file of deploy/kubernetes. */
export function manifests(file: string): readonly unknown[] {
  const text = readFileSync(join(folder, file), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS());
}

/** The one object in a file of deploy/kubernetes. */
export function manifest<T>(file: string): T {
  const [only, ...more] = manifests(file);
  if (only === undefined || more.length > 0) throw new Error(`${file} does not have one object`);
  return only as T;
}
