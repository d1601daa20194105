import { RuntimeError } from '../../base/runtime-error.ts';
import { ipv4Mask } from '../ipv4.ts';
import type { NanosCard, NanosMount, NanosSettings } from './settings.ts';
import type { TfsEdit, TfsEdits } from './tfs-encoder.ts';
import { byteString, childTuple, isTuple, isVector, type TfsTuple } from './tfs-value.ts';

/**
 * What settings change in the manifest, which is the root tuple; files and directories are another matter.
 * @throws RuntimeError GUEST_UNSUPPORTED for what cannot be said to Nanos
 */
export function manifestEdits(root: TfsTuple, settings: NanosSettings): TfsEdits {
  const { env, args, cwd, cards, mounts } = settings;
  return new Map<string, TfsEdit>([
    // With a device at port 0x501 QEMU's status is then the exit code, and a machine that cannot power off ends, too.
    ['debug_exit', text('t')],
    ...removals(root),
    ...(env.length === 0 ? [] : [['environment', environmentEdit(env)] as const]),
    ...(args === undefined ? [] : [['arguments', argumentsEdit(root, args)] as const]),
    ...(cwd === undefined ? [] : [['cwd', checkedText(cwd, 'the working directory')] as const]),
    ...cards.flatMap((card, index) => cardEdits(root, card, index)),
    ...(mounts.length === 0 ? [] : [['mounts', mountsEdit(mounts)] as const]),
  ]);
}

type NamedEdit = readonly [string, TfsEdit];

/**
 * Instead of ending, a machine would stand still or reset; restarting a container is its engine's business.
 * @see nanovms/nanos src/kernel/init.c (vm_exit)
 */
function removals(root: TfsTuple): readonly NamedEdit[] {
  return ['idle_on_exit', 'reboot_on_exit']
    .filter((name) => root.entries.has(name))
    .map((name) => [name, { kind: 'remove' }]);
}

/** @see nanovms/nanos src/unix/exec.c (environment_each) */
function environmentEdit(env: readonly string[]): TfsEdit {
  return merge(
    env.map((entry): NamedEdit => {
      const equals = entry.indexOf('=');
      const name = entry.slice(0, equals);
      if (equals < 1) {
        throw unsupported(`environment variable ${JSON.stringify(entry)}`, 'it must be NAME=VALUE');
      }
      const what = `environment variable ${JSON.stringify(name)}`;
      refuseZero(name, what);
      return [byteString(name), checkedText(entry.slice(equals + 1), what)];
    }),
  );
}

/**
 * The program's own name stays the one that the image gives it.
 * @see nanovms/nanos src/unix/exec.c (build_exec_stack)
 */
function argumentsEdit(root: TfsTuple, args: readonly string[]): TfsEdit {
  for (const argument of args) refuseZero(argument, `argument ${JSON.stringify(argument)}`);
  const old = root.entries.get('arguments');
  const first = isTuple(old) ? old.entries.get('0') : isVector(old) ? old.items[0] : undefined;
  const program = root.entries.get('program');
  const name = [first, program].find((value) => typeof value === 'string' && value !== '') ?? '';
  return { kind: 'list', texts: [String(name), ...args.map(byteString)] };
}

/**
 * Interface N (from 1) is described by the tuple `enN`; of the first one what is at the top of the root tuple counts as long as
 * there is no `en1`, and older kernels know only that.
 * @see nanovms/nanos src/net/net.c (init_network_iface, get_static_config)
 */
function cardEdits(root: TfsTuple, card: NanosCard, index: number): readonly NamedEdit[] {
  const name = `en${index + 1}`;
  const tuple = childTuple(root, name);
  const isAtTop = index === 0 && tuple === undefined;
  const old = isAtTop ? root : tuple;
  const edits = addressEdits(card);
  const named = new Set(edits.map(([key]) => key));
  // An address from the time when the image was made would be no use here.
  const stale = addressKeys.filter((key) => !named.has(key) && old?.entries.has(key));
  const all = [...edits, ...stale.map((key): NamedEdit => [key, { kind: 'remove' }])];
  if (isAtTop || all.length === 0) return all;
  return [[name, merge(all)]];
}

const addressKeys = ['ipaddr', 'netmask', 'gateway', 'ip6addr'];

function addressEdits({ ipv4, ipv4Gateway, ipv6, mtu }: NanosCard): readonly NamedEdit[] {
  return [
    ...(ipv4 === undefined
      ? []
      : [
          ['ipaddr', text(ipv4.address)] as const,
          ['netmask', text(ipv4Mask(ipv4.prefixLength))] as const,
          // Without one Nanos guesses that the first host of the subnet is the gateway.
          ['gateway', text(ipv4Gateway ?? '0.0.0.0')] as const,
        ]),
    ...(ipv6 === undefined ? [] : [['ip6addr', text(ipv6)] as const]),
    ...(mtu === undefined ? [] : [['mtu', text(`${mtu}`)] as const]),
  ];
}

/** @see nanovms/nanos src/kernel/storage.c (volume_match, volume_mount), src/virtio/virtio_9p.c (v9p_dev_attach) */
function mountsEdit(mounts: readonly NanosMount[]): TfsEdit {
  return merge(
    mounts.map(({ volume, path, isReadOnly }): NamedEdit => {
      const what = `mount point ${JSON.stringify(path)}`;
      // Whatever follows this is cut off, and the volume read-only.
      if (path.includes(':ro')) throw unsupported(what, 'Nanos takes ":ro" in it for an option');
      return [byteString(volume), checkedText(isReadOnly ? `${path}:ro` : path, what)];
    }),
  );
}

function merge(edits: readonly NamedEdit[]): TfsEdit {
  return { kind: 'merge', entries: new Map(edits) };
}

function text(value: string): TfsEdit {
  return { kind: 'text', text: byteString(value) };
}

function checkedText(value: string, what: string): TfsEdit {
  refuseZero(value, what);
  return text(value);
}

function refuseZero(value: string, what: string): void {
  if (value.includes('\0')) throw unsupported(what, 'a text for a program ends at its first zero byte');
}

function unsupported(what: string, hint: string): RuntimeError {
  return new RuntimeError('GUEST_UNSUPPORTED', `${what} cannot be given to a Nanos guest`, { hint });
}
