import { formatMiB } from '../base/size.ts';
import { withKernelReader } from '../host/files.ts';
import { findInRegistries, listRegistries, type Registries, resolveInEntry } from '../host/registry.ts';
import { parseDefinition, type UnikernelDefinition } from '../unikernel/definition.ts';
import { checkName } from '../unikernel/detect.ts';
import { requireKernelFormat } from '../unikernel/kernel-format.ts';
import { asRuntimeError } from './report-error.ts';

/** The table, or the JSON list, of the registries' unikernels. One that cannot be read is listed with what is wrong. */
export function imageList(registries: Registries, asJson: boolean): string {
  const entries = listRegistries(registries).map((name) => ({ name, ...describe(registries, name) }));
  if (asJson) return `${JSON.stringify(entries, undefined, 2)}\n`;
  const rows = entries.map(({ name, definition, problem }) =>
    definition === undefined
      ? [name, '-', '-', '-', `broken: ${problem}`]
      : [name, definition.guest, memoryText(definition), portsText(definition), definition.kernel ?? '-'],
  );
  return table([['NAME', 'GUEST', 'MEMORY', 'PORTS', 'KERNEL'], ...rows]);
}

/** What to say to someone who is shown an empty list: where was looked, and what to do. Empty if there is something. */
export function emptyRegistries(registries: Registries): string {
  if (listRegistries(registries).length > 0) return '';
  if (registries.folders.length === 0) return 'no registry is configured\n';
  return `no unikernels in ${registries.folders.join(', ')}; each is a folder there with a unikernel.json, see "man ucrun"\n`;
}

/** A unikernel in JSON: what its definition says, where its files are, and what its kernel is. @throws RuntimeError */
export function imageInspect(registries: Registries, name: string): string {
  const entry = findInRegistries(registries, checkName(name));
  const definition = parseDefinition(entry.content, entry.source);
  const kernel =
    definition.kernel === undefined ? undefined : resolveInEntry(entry, definition.kernel, 'kernel');
  const initrd =
    definition.initrd === undefined ? undefined : resolveInEntry(entry, definition.initrd, 'initrd');
  const format =
    kernel === undefined
      ? undefined
      : withKernelReader(kernel, (reader) => requireKernelFormat(reader, kernel));
  return `${JSON.stringify({ name, source: entry.source, definition, files: { kernel, initrd }, format }, undefined, 2)}\n`;
}

function describe(
  registries: Registries,
  name: string,
): { definition?: UnikernelDefinition; problem?: string } {
  try {
    const entry = findInRegistries(registries, checkName(name));
    return { definition: parseDefinition(entry.content, entry.source) };
  } catch (error) {
    const known = asRuntimeError(error);
    if (known === undefined) throw error;
    return { problem: known.message };
  }
}

function memoryText({ memoryMiB }: UnikernelDefinition): string {
  return memoryMiB === undefined ? 'default' : formatMiB(memoryMiB);
}

function portsText({ ports }: UnikernelDefinition): string {
  return ports.length === 0 ? '-' : ports.map(({ guest, protocol }) => `${guest}/${protocol}`).join(',');
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
