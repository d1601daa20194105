/**
 * The parts of a microvm that a guest has, or has not; each that is missing saves time.
 * @see QEMU docs/system/i386/microvm.rst
 */
export interface MicrovmParts {
  readonly pit: boolean;
  readonly pic: boolean;
  readonly rtc: boolean;
  /** A second interrupt controller, for more devices; QEMU's own choice is to have it. */
  readonly ioapic2: boolean;
  /** Whether devices are named on the command line, for guests that read neither ACPI nor device trees. */
  readonly kernelCommandLine: boolean;
  /** Whether the guest's drivers find a 9p share that is not on PCI. */
  readonly shares: boolean;
}

/** What a guest gets that counts time by its local APIC or by what KVM tells it. */
export const leastMicrovm: MicrovmParts = {
  pit: false,
  pic: false,
  rtc: false,
  ioapic2: true,
  kernelCommandLine: true,
  shares: true,
};

/** The value for QEMU's `-M`. */
export function microvmMachine({ pit, pic, rtc, ioapic2, kernelCommandLine }: MicrovmParts): string {
  const onOff = (isOn: boolean) => (isOn ? 'on' : 'off');
  return [
    'microvm',
    'x-option-roms=off',
    `pit=${onOff(pit)}`,
    `pic=${onOff(pic)}`,
    `rtc=${onOff(rtc)}`,
    ...(ioapic2 ? [] : ['ioapic2=off']),
    'isa-serial=on',
    'acpi=on',
    `auto-kernel-cmdline=${onOff(kernelCommandLine)}`,
  ].join(',');
}
