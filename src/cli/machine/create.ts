import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { RuntimeError } from '../../base/runtime-error.ts';
import { exists, readTextIfThere } from '../../host/files.ts';
import { listRegistries, registriesFor } from '../../host/registry.ts';
import type { MachineSettings, MachineSource, ManagerKind } from '../../machine/record.ts';
import { ownUnikernel } from '../../machine/resolve.ts';
import type { Machine, MachineSpec } from '../../machine/service.ts';
import { checkName } from '../../unikernel/detect.ts';
import { hasTransport, nameFrom } from '../../unikernel/image-reference.ts';
import { diskFormatOf } from '../../unikernel/volumes.ts';
import type { DefinitionOptions } from '../image/definition-options.ts';
import { imageImport } from '../image/import.ts';
import type { MachineContext } from './context.ts';
import { cardMac } from './network-option.ts';
import { type SettingOptions, settingsFrom } from './settings.ts';

/** What `create` and `run` are asked for. */
export interface CreateOptions extends SettingOptions {
  readonly name?: string | undefined;
  readonly systemd?: boolean | undefined;
  readonly guest?: string | undefined;
  readonly cmdline?: string | undefined;
  readonly initrd?: string | undefined;
  readonly rootfs?: string | undefined;
}

/**
 * `machine create`: make a machine of a unikernel.
 * @param args the guest's, behind `--`
 * @throws RuntimeError
 */
export async function createMachine(
  { host, machines }: MachineContext,
  source: string,
  args: readonly string[],
  options: CreateOptions,
): Promise<Machine> {
  const name = options.name ?? inventedName(source);
  const settings = settingsFrom(options, args, host.env, {
    innerPort: options.activate === true ? await freePort() : 0,
    macOf: (index) => cardMac(hostId(), name, index),
  });
  const manager: ManagerKind =
    (options.systemd ?? host.config.machine.manager === 'systemd') ? 'systemd' : 'ucrun';
  refuseWithoutSystemd(manager, settings);
  for (const other of [...settings.after, ...settings.requires]) machines.store.read(other);
  const { kind, fill } = sourceOf({ host, machines }, source, options);
  const spec: MachineSpec = {
    name,
    manager,
    source: kind,
    settings,
    fill,
  };
  return await machines.create(spec);
}

/** @throws RuntimeError USAGE for what only systemd can do */
function refuseWithoutSystemd(manager: ManagerKind, settings: MachineSettings): void {
  if (manager === 'systemd') return;
  const [option] = [
    ...(settings.activation === undefined ? [] : ['--activate']),
    ...(settings.after.length === 0 ? [] : ['--after']),
    ...(settings.requires.length === 0 ? [] : ['--requires']),
  ];
  if (option === undefined) return;
  throw new RuntimeError('USAGE', `option ${option} is for machines that systemd keeps`, {
    hint: 'add --systemd',
  });
}

/** A file or an image is copied to the machine; a name is looked up in the registry each time it starts. */
function sourceOf(
  { host }: MachineContext,
  source: string,
  options: CreateOptions,
): { readonly kind: MachineSource; readonly fill: MachineSpec['fill'] } {
  const files = definitionOptions(options);
  const registries = registriesFor(host.config, host.env);
  const isName = !source.includes('/') && (!exists(source) || listRegistries(registries).includes(source));
  if (isName && !hasTransport(source)) {
    const [given] = Object.keys(files);
    if (given === undefined)
      return { kind: { kind: 'registry', name: checkName(source, 'on the command line') }, fill: undefined };
    throw new RuntimeError('USAGE', `the unikernel "${source}" of the registry has its own ${given}`, {
      hint: `name a kernel file, such as ./${source}, or make another unikernel with "ucrun image add"`,
    });
  }
  const fill = async (registry: string) => {
    await imageImport(
      {
        config: { ...host.config, registries: [registry] },
        registries: { folders: [registry], opsImages: [] },
        env: host.env,
        stateRoot: host.stateRoot,
        signal: new AbortController().signal,
        progress: { isShown: false, begin: () => {}, onBytes: () => {}, end: () => {} },
      },
      {
        source,
        name: ownUnikernel,
        replace: false,
        options: files,
        access: { tlsVerify: true, authfile: undefined },
      },
    );
  };
  return { kind: { kind: 'own', from: source }, fill };
}

function definitionOptions({ guest, cmdline, initrd, rootfs }: CreateOptions): DefinitionOptions {
  const root = rootfs === undefined ? {} : rootOptions(rootfs);
  return {
    ...(guest === undefined ? {} : { guest }),
    ...(cmdline === undefined ? {} : { cmdline }),
    ...(initrd === undefined ? {} : { initrd }),
    ...root,
  };
}

/** A root file system is a disk image, if it is called one, else what the kernel unpacks into memory. */
function rootOptions(rootfs: string): DefinitionOptions {
  const stat = statSync(rootfs, { throwIfNoEntry: false });
  if (stat?.isFile() === true)
    return diskFormatOf(rootfs) === undefined ? { initrd: rootfs } : { disk: [rootfs], root: 'disk' };
  throw new RuntimeError('KERNEL_MISSING', `the root file system "${rootfs}" is no regular file`, {
    hint: 'give a cpio archive, or a disk image whose name ends in .ext4, .img, .raw or .qcow2',
  });
}

function inventedName(source: string): string {
  const base = hasTransport(source) || source.includes('/') ? nameFrom(basename(source)) : source;
  return `${base === '' ? 'machine' : base.slice(0, 50)}-${randomBytes(2).toString('hex')}`;
}

/** What no other host has. @see machine-id(5) */
function hostId(): string {
  return readTextIfThere('/etc/machine-id')?.trim() || hostname();
}

/** A port of the loopback interface that nobody listens at. */
async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    resolve(typeof address === 'object' && address !== null ? address.port : 0);
  });
  const port = await promise;
  server.close();
  return port;
}
