import t from 'tap';
import { leastMicrovm, microvmMachine } from '../../src/unikernel/microvm.ts';

t.test('microvmMachine() says of each part whether it is there', async (t) => {
  const least =
    'microvm,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=on,acpi=on,auto-kernel-cmdline=on';
  t.equal(microvmMachine(leastMicrovm), least);
  for (const part of ['pit', 'pic', 'rtc'] as const)
    t.equal(
      microvmMachine({ ...leastMicrovm, [part]: true }),
      least.replace(`${part}=off`, `${part}=on`),
      part,
    );
  t.equal(
    microvmMachine({ ...leastMicrovm, kernelCommandLine: false }),
    least.replace('auto-kernel-cmdline=on', 'auto-kernel-cmdline=off'),
  );
});

t.test('microvmMachine() says nothing of a second I/O APIC unless it is to be away', async (t) => {
  t.notMatch(microvmMachine(leastMicrovm), 'ioapic2');
  t.match(microvmMachine({ ...leastMicrovm, ioapic2: false }), /,ioapic2=off,/);
});
