import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { probeGuestElf, probeSuccessStatus } from '../../src/unikernel/probe-guest.ts';

const repository = join(import.meta.dirname, '..', '..');

/** Whether the program can be started at all: the reason for a skip, or false. */
function missing(program: string): string | false {
  return spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`;
}

t.test('probeGuestElf() is a 32-bit ELF file with a PVH entry, under 4 KiB', async (t) => {
  const elf = Buffer.from(probeGuestElf());
  t.ok(elf.length < 4096, `${elf.length} bytes`);
  t.strictSame([...elf.subarray(0, 6)], [0x7f, 0x45, 0x4c, 0x46, 1, 1]);
  const noteOffset = elf.readUInt32LE(elf.readUInt32LE(28) + 32 + 4);
  t.equal(elf.readUInt32LE(noteOffset + 8), 18, 'XEN_ELFNOTE_PHYS32_ENTRY');
  t.equal(elf.readUInt32LE(noteOffset + 16), elf.readUInt32LE(24), 'the note and the header name one entry');
});

t.test(
  'probeGuestElf() is what hack/probe-guest/probe.S assembles to',
  { skip: missing('as') || missing('ld') || missing('make') },
  async (t) => {
    const out = t.testdir();
    const made = spawnSync('make', ['-C', join(repository, 'hack', 'probe-guest'), 'elf', `OUT=${out}`], {
      encoding: 'utf8',
    });
    t.equal(made.status, 0, made.stderr);
    t.strictSame(readFileSync(join(out, 'probe.elf')), Buffer.from(probeGuestElf()));
  },
);

const qemu = 'qemu-system-x86_64';

/** Boots a kernel under TCG and gives QEMU's exit status, or null when it had to be ended after ten seconds. */
function bootStatus(kernel: string, cpu: string): number | null {
  const machine = `-M microvm -accel tcg -cpu ${cpu} -m 16M -nodefaults -no-user-config -display none -no-reboot`;
  const args = [...machine.split(' '), '-device', 'isa-debug-exit,iobase=0x501,iosize=4', '-kernel', kernel];
  return spawnSync(qemu, args, { timeout: 10_000, killSignal: 'SIGKILL' }).status;
}

t.test('the probe guest', { skip: missing(qemu) }, async (t) => {
  const kernel = join(t.testdir(), 'probe.elf');
  writeFileSync(kernel, probeGuestElf());

  t.test('ends with the success status within a second', async (t) => {
    const started = performance.now();
    t.equal(bootStatus(kernel, 'max'), probeSuccessStatus);
    t.ok(performance.now() - started < 1000, 'in under a second');
  });

  t.test('ends with another status on a CPU without long mode', async (t) => {
    t.equal(bootStatus(kernel, 'qemu32'), 3);
  });
});
