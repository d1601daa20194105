import { definitionKeys, type UnikernelDefinition } from './definition.ts';
import type { DiskFormat } from './volumes.ts';

/** A definition whose files are about to have new places, and what has to go there. */
export interface EntryPlan {
  /** With the keys in their documented order, and the files' new names. */
  readonly content: Readonly<Record<string, unknown>>;
  readonly files: readonly PlannedFile[];
}

export interface PlannedFile {
  /** As the definition had it. */
  readonly from: string;
  /** The new name, without a directory. */
  readonly name: string;
}

/**
 * Give the files of a unikernel the names that they have in a registry or an image of ours. The names say nothing of where they came
 * from: the same files make the same unikernel.
 * @param raw the definition as it was written; what it says beside files stays as it is
 * @param formatOf the format of a disk image, by what is in it
 * @param directory what to put before the names in the definition, such as `/unikernel/`
 */
export function planEntry(
  raw: Readonly<Record<string, unknown>>,
  { kernel, initrd, disks }: UnikernelDefinition,
  formatOf: (file: string) => DiskFormat,
  directory = '',
): EntryPlan {
  const placedDisks = disks.map(({ file, path, readOnly }, index) => {
    const name = `disk${index + 1}.${formatOf(file) === 'qcow2' ? 'qcow2' : 'img'}`;
    const mount = path === undefined ? '' : `:${path}${readOnly ? ':ro' : ''}`;
    return { from: file, name, text: `${directory}${name}${mount}` };
  });
  const texts = placedDisks.map(({ text }) => text);
  const placed: Readonly<Record<string, unknown>> = {
    ...raw,
    kernel: kernel && `${directory}kernel`,
    initrd: initrd && `${directory}initrd`,
    disk: texts.length > 1 ? texts : texts[0],
    // As people write them, whatever form they came in: annotations are all text.
    cpus: typeof raw.cpus === 'string' && /^\d+$/.test(raw.cpus) ? Number(raw.cpus) : raw.cpus,
    ports: typeof raw.ports === 'string' ? raw.ports.split(',').map((port) => port.trim()) : raw.ports,
    powerButton: typeof raw.powerButton === 'string' ? raw.powerButton === 'true' : raw.powerButton,
  };
  return {
    content: Object.fromEntries(
      definitionKeys.flatMap((key) => (placed[key] === undefined ? [] : [[key, placed[key]]])),
    ),
    files: [
      ...(kernel === undefined ? [] : [{ from: kernel, name: 'kernel' }]),
      ...(initrd === undefined ? [] : [{ from: initrd, name: 'initrd' }]),
      ...placedDisks.map(({ from, name }) => ({ from, name })),
    ],
  };
}
