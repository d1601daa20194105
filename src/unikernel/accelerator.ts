import { RuntimeError } from '../base/runtime-error.ts';

export type AcceleratorMode = 'auto' | 'kvm' | 'tcg';

/** What executes the guest's code. `cpu` is QEMU's `-cpu` for it. */
export interface Accelerator {
  readonly kind: 'kvm' | 'tcg';
  readonly cpu: string;
  /** Why this one, for the log and for `state`. */
  readonly reason: string;
}

/** What booting the probe guest with KVM showed; remembered for as long as the host is up. */
export type KvmProof =
  | { readonly works: true; readonly cpu: string }
  | { readonly works: false; readonly reason: string };

/** The CPU models to try with KVM, the best first: some nested hosts refuse the MSR behind arch-capabilities. */
export const kvmCpus: readonly string[] = [
  'host,migratable=off',
  'host,migratable=off,arch-capabilities=off',
];

const tcgCpu = 'max';

/**
 * Choose the accelerator.
 * @param prove boots the probe guest, or remembers that it did; called only when the answer matters
 * @throws RuntimeError KVM_UNAVAILABLE if the configuration demands KVM and it does not work
 */
export function chooseAccelerator(mode: AcceleratorMode, prove: () => KvmProof): Accelerator {
  if (mode === 'tcg') return { kind: 'tcg', cpu: tcgCpu, reason: 'the configuration says tcg' };
  const proof = prove();
  if (proof.works) return { kind: 'kvm', cpu: proof.cpu, reason: 'a 64-bit guest ran with KVM' };
  if (mode === 'auto') return { kind: 'tcg', cpu: tcgCpu, reason: proof.reason };
  throw new RuntimeError('KVM_UNAVAILABLE', `KVM does not work on this host: ${proof.reason}`, {
    hint: 'set [vmm] accelerator to "auto" or "tcg" in ucrun\'s config.toml, or repair KVM',
  });
}
