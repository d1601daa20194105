import { RuntimeError } from '../base/runtime-error.ts';
import {
  annotationKey,
  type ImageFiles,
  type ImageSettings,
  imageSettings,
  merge,
  noSettings,
  ownAnnotations,
} from './image-settings.ts';
import { environmentValue, type Spec } from './spec.ts';
import { vmSettings } from './vm-section.ts';

/** Where a container's unikernel comes from: where paths are looked up, and what is said of it there. */
export type UnikernelSource =
  | { readonly kind: 'image' | 'vm'; readonly image: ImageSettings }
  | {
      readonly kind: 'registry';
      readonly name: string;
      /** Definition keys from annotations. */
      readonly overrides: Readonly<Record<string, string>>;
    };

/**
 * Find out whether a container carries a unikernel: its image says so, or the specification's `vm` section, or SERVICE_NAME where
 * that is used. What an untrusted image says can tune and name, but never leave the image (see host/rootfs-path.ts) and never
 * choose programs or arguments of the host's.
 * @param usesServiceName whether SERVICE_NAME means anything on this host
 * @returns undefined for a plain container
 * @throws RuntimeError UNIKERNEL_INVALID for what cannot be meant, and for two unikernels in one container
 */
export function detectUnikernel(
  spec: Spec,
  usesServiceName: boolean,
  files: ImageFiles,
): UnikernelSource | undefined {
  if (isPodSandbox(spec)) return undefined;
  const own = ownAnnotations(spec);
  const vm = vmSettings(spec.raw);
  const image = imageSettings(spec, vm === undefined || namesFile(own) ? own : noSettings, files);
  const named = usesServiceName ? environmentValue(spec, 'SERVICE_NAME') : undefined;
  const name = named === '' || named === undefined ? undefined : checkName(named, 'in SERVICE_NAME');
  if (image !== undefined) {
    if (vm !== undefined) throw contradiction('the vm section of config.json', image);
    if (name !== undefined) throw contradiction(`SERVICE_NAME=${name}`, image);
    return { kind: 'image', image };
  }
  if (vm !== undefined) {
    if (name !== undefined) throw contradiction(`SERVICE_NAME=${name}`, vm);
    return { kind: 'vm', image: tunedBy(own, vm) };
  }
  if (name !== undefined) return { kind: 'registry', name, overrides: own.settings };
  const [stray] = Object.keys(own.settings);
  // What a pod says reaches its plain containers, too.
  if (stray === undefined || isPodMember(spec)) return undefined;
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

/** The guest type alone says of a machine in the vm section what that cannot say itself. */
function namesFile({ settings }: ImageSettings): boolean {
  return settings.kernel !== undefined || settings.disk !== undefined;
}

/** The container's annotations say more than the vm section can, such as the guest type. */
function tunedBy(own: ImageSettings, vm: ImageSettings): ImageSettings {
  return { ...merge([own, vm]), source: vm.source };
}

function contradiction(other: string, { source }: ImageSettings): RuntimeError {
  return new RuntimeError(
    'UNIKERNEL_INVALID',
    `both ${other} and ${source} name a unikernel: one container runs one`,
    {
      hint: other.startsWith('SERVICE_NAME')
        ? 'leave one of the two out; service_name = false in the configuration leaves that variable alone'
        : 'leave one of the two out',
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
