import { statSync } from 'node:fs';
import { formatBytes, formatMiB } from '../../base/size.ts';
import { findInRegistries, listRegistries, type Registries } from '../../host/registry.ts';
import { parseDefinition, type UnikernelDefinition } from '../../unikernel/definition.ts';
import { checkName } from '../../unikernel/detect.ts';
import { asRuntimeError } from '../report-error.ts';
import { ageText, table } from '../table.ts';
import type { Answer, ImageContext } from './context.ts';
import { filesOf, sizeOf } from './entry-files.ts';

type Described = {
  readonly definition: UnikernelDefinition;
  readonly sizeBytes: number;
  readonly created: string;
};

/** `image ls`: the unikernels that there are. One that cannot be read is listed with what is wrong. */
export function imageList({ registries }: Pick<ImageContext, 'registries'>): Answer {
  const entries = listRegistries(registries).map((name) => ({ name, ...describe(registries, name) }));
  const rows = entries.map((entry) => {
    if ('problem' in entry) return [entry.name, '-', '-', '-', '-', `broken: ${entry.problem}`];
    const { name, definition, sizeBytes, created } = entry;
    const age = ageText(Date.now() - Date.parse(created));
    return [
      name,
      definition.guest,
      formatBytes(sizeBytes),
      age,
      memoryText(definition),
      portsText(definition),
    ];
  });
  return {
    text: table([['NAME', 'GUEST', 'SIZE', 'CREATED', 'MEMORY', 'PORTS'], ...rows]),
    json: entries,
    notes: entries.length > 0 ? [] : [whereLooked(registries)],
  };
}

function describe(registries: Registries, name: string): Described | { readonly problem: string } {
  try {
    const entry = findInRegistries(registries, checkName(name));
    const definition = parseDefinition(entry.content, entry.source);
    const sizeBytes = sizeOf(filesOf(entry, definition));
    return { definition, sizeBytes, created: statSync(entry.source).mtime.toISOString() };
  } catch (error) {
    const known = asRuntimeError(error);
    if (known === undefined) throw error;
    return { problem: known.message };
  }
}

function whereLooked({ folders, opsImages }: Registries): string {
  if (folders.length === 0) return 'no registry is configured';
  return `no unikernels in ${[...folders, ...opsImages].join(', ')}; "ucrun image add" and "ucrun image import" make one`;
}

function memoryText({ memoryMiB }: UnikernelDefinition): string {
  return memoryMiB === undefined ? 'default' : formatMiB(memoryMiB);
}

function portsText({ ports }: UnikernelDefinition): string {
  return ports.length === 0 ? '-' : ports.map(({ guest, protocol }) => `${guest}/${protocol}`).join(',');
}
