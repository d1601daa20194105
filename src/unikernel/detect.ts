import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { definitionKeys } from './definition.ts';
import { environmentValue, type Spec } from './spec.ts';

/** Where a container's unikernel comes from. `overrides` are definition keys from annotations. */
export type UnikernelSource =
  | { readonly kind: 'image'; readonly settings: Readonly<Record<string, string>> }
  | {
      readonly kind: 'registry';
      readonly name: string;
      readonly overrides: Readonly<Record<string, string>>;
    };

const prefix = 'ucrun.';

/** How a key of a definition is written as an annotation. */
export function annotationKey(key: string): string {
  return prefix + key;
}

/**
 * Find out whether a container carries a unikernel: annotations `ucrun.*` first, then SERVICE_NAME if that is used.
 * An annotation that an untrusted image may have brought can tune and name, but never leave the image
 * (see host/rootfs-path.ts) and never choose programs or arguments of the host's.
 * @param usesServiceName whether SERVICE_NAME means anything on this host
 * @returns undefined for a plain container
 * @throws RuntimeError UNIKERNEL_INVALID for a name or annotation that cannot be meant
 */
export function detectUnikernel(spec: Spec, usesServiceName: boolean): UnikernelSource | undefined {
  if (isPodSandbox(spec)) return undefined;
  const settings = ownAnnotations(spec);
  if (settings.kernel !== undefined || settings.guest !== undefined) return { kind: 'image', settings };
  const name = usesServiceName ? environmentValue(spec, 'SERVICE_NAME') : undefined;
  if (name !== undefined && name !== '')
    return { kind: 'registry', name: checkName(name, 'in SERVICE_NAME'), overrides: settings };
  const [stray] = Object.keys(settings);
  if (stray === undefined) return undefined;
  throw new RuntimeError(
    'UNIKERNEL_INVALID',
    `annotation "${annotationKey(stray)}" is set, but no unikernel is named`,
    {
      hint: usesServiceName
        ? 'name one with the environment variable SERVICE_NAME, or with the annotations ucrun.guest and ucrun.kernel'
        : 'name one with the annotations ucrun.guest and ucrun.kernel; the configuration has service_name = false',
    },
  );
}

/**
 * Check a name of the unikernel registry; it becomes a folder's name.
 * @param place where it was written, for the message
 * @throws RuntimeError UNIKERNEL_INVALID
 */
export function checkName(name: string, place?: string): string {
  if (/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) return name;
  const shown = place === undefined ? JSON.stringify(name) : `${JSON.stringify(name)} ${place}`;
  throw new RuntimeError('UNIKERNEL_INVALID', `${shown} is not a unikernel's name`, {
    hint: 'a name is up to 64 of a-z, 0-9, dot, underscore and hyphen, and begins with a letter or digit',
  });
}

/** A container of a Kubernetes pod, other than its pause container. */
export function isPodMember(spec: Pick<Spec, 'annotations'>): boolean {
  return podRole(spec) === 'container';
}

/** The pause container of a Kubernetes pod, which never is a unikernel. */
function isPodSandbox(spec: Spec): boolean {
  return podRole(spec) === 'sandbox';
}

/** @see containerd internal/cri/annotations, cri-o pkg/annotations */
function podRole({ annotations }: Pick<Spec, 'annotations'>): string | undefined {
  return annotations['io.kubernetes.cri.container-type'] ?? annotations['io.kubernetes.cri-o.ContainerType'];
}

function ownAnnotations(spec: Spec): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const [key, value] of Object.entries(spec.annotations)) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    if (!(definitionKeys as readonly string[]).includes(name)) throw unknownAnnotation(key);
    settings[name] = value;
  }
  return settings;
}

function unknownAnnotation(key: string): RuntimeError {
  const known = definitionKeys.map(annotationKey);
  const near = nearest(key, known);
  return new RuntimeError('UNIKERNEL_INVALID', `unknown annotation "${key}"`, {
    hint: near === undefined ? `known annotations: ${known.join(', ')}` : `did you mean "${near}"?`,
  });
}
