import { RuntimeError } from '../base/runtime-error.ts';
import { isProgram, programDirectories } from './files.ts';

const architectures: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
};
const usualDirectories = ['/usr/bin', '/usr/local/bin', '/usr/libexec', '/run/current-system/sw/bin'];

/**
 * The absolute path of QEMU for this host's processor.
 * @param configured the configuration's `[vmm] qemu`, or undefined to search PATH and then the usual directories
 * @throws RuntimeError QEMU_MISSING
 */
export function findQemu(configured: string | undefined, searchPath: string | undefined): string {
  if (configured !== undefined) {
    if (isProgram(configured)) return configured;
    throw new RuntimeError('QEMU_MISSING', `QEMU is missing: the configuration says "${configured}"`, {
      hint: 'correct the key "qemu" of [vmm] in ucrun\'s config.toml, or remove it to have QEMU searched for',
    });
  }
  const directories = programDirectories(searchPath, usualDirectories);
  // Red Hat's packages call it qemu-kvm.
  const names = [`qemu-system-${architectures[process.arch] ?? process.arch}`, 'qemu-kvm'];
  const candidates = directories.flatMap((directory) => names.map((name) => `${directory}/${name}`));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  throw new RuntimeError(
    'QEMU_MISSING',
    `QEMU (${names[0]}) is missing: looked in ${directories.join(', ')}`,
    {
      hint: "install it (Debian, Ubuntu: qemu-system-x86; Fedora: qemu-kvm-core), or set [vmm] qemu in ucrun's config.toml",
    },
  );
}
