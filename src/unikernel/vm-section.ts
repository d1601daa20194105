import { RuntimeError } from '../base/runtime-error.ts';
import { formatMiB } from '../base/size.ts';
import type { ImageSettings } from './image-settings.ts';
import type { JsonObject } from './spec.ts';

/**
 * The unikernel that the specification's own section for virtual machines names, in the terms of a definition. Its paths are the
 * host's; whether they may be used is for the administrator to say. The guest type is in no field of it: it may be missing.
 * @returns undefined without such a section
 * @throws RuntimeError SPEC_INVALID for a field that is not as the specification has it, UNIKERNEL_INVALID for one that ucrun
 * cannot honour
 * @see opencontainers/runtime-spec v1.3.0 config-vm.md
 */
export function vmSettings(spec: JsonObject): ImageSettings | undefined {
  const vm = objectAt(spec, 'vm', 'vm');
  if (vm === undefined) return undefined;
  const kernel = objectAt(vm, 'kernel', 'vm.kernel');
  const image = objectAt(vm, 'image', 'vm.image');
  if (kernel === undefined && image === undefined) return undefined;
  refuseHypervisor(vm);
  const found: readonly (readonly [key: string, field: string, value: string | undefined])[] = [
    ['kernel', 'vm.kernel.path', requiredPathAt(kernel, 'vm.kernel.path')],
    ['initrd', 'vm.kernel.initrd', pathAt(kernel, 'initrd', 'vm.kernel.initrd')],
    ['cmdline', 'vm.kernel.parameters', parameters(kernel)],
    ['disk', 'vm.image.path', imagePath(image)],
    ...hardware(vm),
  ];
  const given = found.filter(([, , value]) => value !== undefined);
  return {
    settings: Object.fromEntries(given.map(([key, , value]) => [key, value as string])),
    written: Object.fromEntries(given.map(([key, field]) => [key, field])),
    source: "the bundle's config.json",
    isUrunc: false,
  };
}

/** The program that runs machines is the administrator's to choose. */
function refuseHypervisor(vm: JsonObject): void {
  if (vm.hypervisor === undefined || vm.hypervisor === null) return;
  throw new RuntimeError('UNIKERNEL_INVALID', "vm.hypervisor in the bundle's config.json cannot be used", {
    hint: "QEMU and its arguments come from ucrun's config.toml: set vmm.qemu and vmm.extra_args there",
  });
}

function imagePath(image: JsonObject | undefined): string | undefined {
  const path = requiredPathAt(image, 'vm.image.path');
  if (path === undefined) return undefined;
  // A definition writes disks in a list, and behind a colon where each is mounted.
  if (/[,:]/.test(path)) throw invalid('vm.image.path', 'a path without commas and colons', path);
  const format = image?.format;
  if (format === 'raw' || format === 'qcow2') return path;
  throw new RuntimeError(
    'UNIKERNEL_INVALID',
    `vm.image.format in the bundle's config.json is ${shown(format)}, not "raw" or "qcow2"`,
    { hint: 'convert the image with qemu-img convert -O qcow2' },
  );
}

function hardware(vm: JsonObject): readonly (readonly [string, string, string | undefined])[] {
  // The specification's text has the one spelling, and some writers of it the other.
  const config = objectAt(vm, 'hwConfig', 'vm.hwConfig') ?? objectAt(vm, 'hwconfig', 'vm.hwconfig');
  if (config === undefined) return [];
  for (const key of ['deviceTree', 'dtdevs', 'iomems', 'irqs']) {
    const value = config[key];
    if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0))
      continue;
    throw new RuntimeError(
      'UNIKERNEL_INVALID',
      `vm.hwConfig.${key} in the bundle's config.json cannot be used`,
      {
        hint: 'a unikernel has the devices of its machine, and none of the host',
      },
    );
  }
  const cpus = countAt(config, 'vcpus');
  const memoryBytes = countAt(config, 'memory');
  const memory =
    memoryBytes === undefined ? undefined : formatMiB(Math.max(1, Math.floor(memoryBytes / 1024 / 1024)));
  return [
    ['cpus', 'vm.hwConfig.vcpus', cpus === undefined ? undefined : String(cpus)],
    ['memory', 'vm.hwConfig.memory', memory],
  ];
}

function parameters(kernel: JsonObject | undefined): string | undefined {
  const value = kernel?.parameters;
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value.join(' ');
  throw invalid('vm.kernel.parameters', 'a list of strings', value);
}

function requiredPathAt(parent: JsonObject | undefined, field: string): string | undefined {
  const path = pathAt(parent, 'path', field);
  if (path !== undefined || parent === undefined) return path;
  throw invalid(field, 'an absolute path', parent.path);
}

function pathAt(parent: JsonObject | undefined, key: string, field: string): string | undefined {
  const value = parent?.[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && value.startsWith('/')) return value;
  throw invalid(field, 'an absolute path', value);
}

function countAt(parent: JsonObject, key: string): number | undefined {
  const value = parent[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  throw invalid(`vm.hwConfig.${key}`, 'a whole number above 0', value);
}

function objectAt(parent: JsonObject, key: string, field: string): JsonObject | undefined {
  const value = parent[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
  throw invalid(field, 'an object', value);
}

function invalid(field: string, wanted: string, value: unknown): RuntimeError {
  return new RuntimeError(
    'SPEC_INVALID',
    `${field} in the bundle's config.json must be ${wanted}, not ${shown(value)}`,
  );
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
