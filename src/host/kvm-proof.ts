import { accessSync, constants, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type KvmProof, kvmCpus } from '../unikernel/accelerator.ts';
import { PROBE_SUCCESS_STATUS, probeGuestElf } from '../unikernel/probe-guest.ts';
import { makeDirectory, readTextIfThere, writeFileAtomic } from './files.ts';
import { bootId } from './host-facts.ts';
import { runProgram } from './processes.ts';

/** For all attempts together: a broken KVM hangs, and an engine is waiting. */
const totalTimeoutMs = 1000;

interface RememberedProof {
  readonly bootId: string;
  /** Path and modification time: another QEMU may do better. */
  readonly qemu: string;
  readonly proof: KvmProof;
}

/**
 * Whether KVM runs 64-bit guests: shown by booting the probe guest, once for each boot of the host and each QEMU, and
 * remembered under the state root. A /dev/kvm that opens proves nothing.
 */
export function proveKvm(stateRoot: string, qemu: string): KvmProof {
  const file = `${stateRoot}/kvm-proof.json`;
  const key = { bootId: bootId(), qemu: `${qemu} ${statSync(qemu).mtimeMs}` };
  const remembered = parseProof(readTextIfThere(file));
  if (remembered?.bootId === key.bootId && remembered.qemu === key.qemu) return remembered.proof;
  const proof = bootProbe(qemu);
  makeDirectory(stateRoot, 0o711);
  writeFileAtomic(file, `${JSON.stringify({ ...key, proof } satisfies RememberedProof)}\n`, 0o644);
  return proof;
}

function bootProbe(qemu: string): KvmProof {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return { works: false, reason: '/dev/kvm is missing or not accessible' };
  }
  const directory = mkdtempSync(`${tmpdir()}/ucrun-probe-`);
  try {
    const kernel = `${directory}/probe.elf`;
    writeFileSync(kernel, probeGuestElf());
    const deadline = Date.now() + totalTimeoutMs;
    for (const cpu of kvmCpus) {
      const timeoutMs = deadline - Date.now();
      if (timeoutMs < 50) break;
      const { status } = runProgram(qemu, probeArgs(kernel, cpu), {
        env: { PATH: '/usr/bin:/bin' },
        timeoutMs,
      });
      if (status === PROBE_SUCCESS_STATUS) return { works: true, cpu };
    }
    return { works: false, reason: '/dev/kvm opens, but a 64-bit guest does not run with it' };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function probeArgs(kernel: string, cpu: string): readonly string[] {
  return [
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-no-reboot',
    '-sandbox',
    'on,spawn=deny',
    '-M',
    'microvm,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=off',
    '-accel',
    'kvm',
    '-cpu',
    cpu,
    '-m',
    '16M',
    '-smp',
    '1',
    '-kernel',
    kernel,
    '-device',
    'isa-debug-exit,iobase=0x501,iosize=4',
  ];
}

/** Whoever tampered with the file, or an older form of it, only costs us another probe. */
function parseProof(text: string | undefined): RememberedProof | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as RememberedProof;
    return typeof value.proof.works === 'boolean' ? value : undefined;
  } catch {
    return undefined;
  }
}
