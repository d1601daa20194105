import { release } from 'node:os';
import { exists, readTextIfThere } from './files.ts';

/**
 * Whether the kernel has a module: `here`, in the kernel or loaded; `loadable`, among its files, from where it is loaded when it is first
 * needed; `missing`; `unknown` where nothing tells. Nothing is loaded to find out.
 */
export type ModuleState = 'here' | 'loadable' | 'missing' | 'unknown';

export interface KernelModule {
  /** As its file is called, with underscores. */
  readonly name: string;
  /** A function that only it has, for kernels that list no modules. */
  readonly symbol: string;
}

/** @see modules.builtin and modules.dep in kmod(8), proc_kallsyms(5) */
export function moduleState(module: KernelModule): ModuleState {
  if (exists(`/sys/module/${module.name}`)) return 'here';
  const directories = ['/lib/modules', '/usr/lib/modules', '/run/booted-system/kernel-modules/lib/modules'];
  const directory = directories
    .map((each) => `${each}/${release()}`)
    .find((each) => exists(`${each}/modules.dep`));
  if (directory !== undefined) {
    if (lists(readTextIfThere(`${directory}/modules.builtin`), module.name)) return 'here';
    if (lists(readTextIfThere(`${directory}/modules.dep`), module.name)) return 'loadable';
  }
  const symbols = readTextIfThere('/proc/kallsyms');
  if (symbols !== undefined && symbols !== '' && new RegExp(` ${module.symbol}(?:\\s|$)`, 'm').test(symbols))
    return 'here';
  return directory === undefined && (symbols === undefined || symbols === '') ? 'unknown' : 'missing';
}

/** Whether a list of kmod's has a module; files have either sign in their names, and perhaps a suffix of a compression. */
function lists(text: string | undefined, name: string): boolean {
  const pattern = name.replaceAll('_', '[-_]');
  return text !== undefined && new RegExp(`(?:^|/)${pattern}\\.ko(?:\\.\\w+)?(?::|\\s|$)`, 'm').test(text);
}
