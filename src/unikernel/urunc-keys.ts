import { RuntimeError } from '../base/runtime-error.ts';

/** What the keys of urunc's annotations, and of /urunc.json, begin with. */
export const uruncPrefix = 'com.urunc.unikernel.';

/** Keys of urunc's whose values are those of a key of ours. */
const sameValue: Readonly<Record<string, string>> = {
  unikernelType: 'guest',
  binary: 'kernel',
  initrd: 'initrd',
  unikernelVersion: 'version',
};

/** Monitors of urunc's whose Linux guests need nothing that QEMU lacks. */
const linuxMonitors: ReadonlySet<string> = new Set(['firecracker', 'cloud-hypervisor']);

/** A definition in our keys, and how each was written. */
export interface UruncDefinition {
  readonly settings: Readonly<Record<string, string>>;
  readonly written: Readonly<Record<string, string>>;
}

/**
 * A definition of urunc's in our terms. Its values are plain or in base64, whichever of its versions and engines wrote them. `cmdline`
 * is not used: it stands in for a container's command line that is empty, which no engine leaves so.
 * @param values with full keys, of which those of urunc's are looked at; empty ones count as missing
 * @param source where they were found, for error texts
 * @throws RuntimeError GUEST_UNSUPPORTED for a guest that was made for another monitor
 * @see urunc-dev/urunc pkg/unikontainers/config.go, UnikernelConfig
 */
export function definitionFromUrunc(
  values: Readonly<Record<string, string>>,
  source: string,
): UruncDefinition {
  const value = (name: string): string | undefined => {
    const text = plainText(values[uruncPrefix + name] ?? '').trim();
    return text === '' ? undefined : text;
  };
  const guest = value('unikernelType');
  checkMonitor(value('hypervisor'), guest, source);
  const settings: Record<string, string> = {};
  const written: Record<string, string> = {};
  const set = (key: string, name: string, text: string | undefined) => {
    if (text === undefined) return;
    settings[key] = text;
    written[key] = uruncPrefix + name;
  };
  for (const [name, key] of Object.entries(sameValue)) set(key, name, value(name));
  const block = value('block');
  const mountPoint = value('blkMntPoint');
  set('disk', 'block', block === undefined || isRoot(mountPoint) ? block : `${block}:${mountPoint}`);
  const sharesRoot = ['mountRootfs', 'useDMBlock'].find((name) => /^(?:true|1)$/i.test(value(name) ?? ''));
  if (sharesRoot !== undefined && block === undefined && settings.initrd === undefined)
    set('root', sharesRoot, '9p');
  return { settings, written };
}

function isRoot(mountPoint: string | undefined): boolean {
  return mountPoint === undefined || mountPoint === '/';
}

/** @throws RuntimeError GUEST_UNSUPPORTED */
function checkMonitor(monitor: string | undefined, guest: string | undefined, source: string): void {
  if (monitor === undefined || monitor === 'qemu') return;
  if (guest === 'linux' && linuxMonitors.has(monitor)) return;
  throw new RuntimeError(
    'GUEST_UNSUPPORTED',
    `"${uruncPrefix}hypervisor" in ${source} is "${monitor}", not "qemu"`,
    { hint: 'guests run on QEMU here: build the unikernel for it, and say "qemu" there' },
  );
}

/**
 * The text that a value in base64 stands for, or the value if it is no base64 of a name or path. A plain word can be base64 by its
 * letters: `disk` would stand for `v+$`, and `blow` for `nZ0`. In base64 a name or path has capitals or padding, but for a few words of
 * three letters, and what a plain word would stand for is no name.
 */
function plainText(value: string): string {
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(value) || !/[A-Z=]/.test(value)) return value;
  const text = Buffer.from(value, 'base64').toString('latin1');
  const isMeant = /^(?:\/[\x20-\x7e]*|[\w.+-][\w.+/-]*)?\n?$/.test(text);
  return isMeant && Buffer.from(text, 'latin1').toString('base64') === value ? text : value;
}
