import { type StdioOptions, spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type KvmProof, kvmCpus } from '../unikernel/accelerator.ts';
import { probeGuestElf, probeSuccessStatus } from '../unikernel/probe-guest.ts';
import { makeDirectory, readTextIfThere, writeFileAtomic } from './files.ts';
import { bootId } from './host-facts.ts';

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
  const kernel = openUnlinked(probeGuestElf());
  try {
    const deadline = Date.now() + totalTimeoutMs;
    for (const cpu of kvmCpus) {
      const timeout = deadline - Date.now();
      if (timeout < 50) break;
      // In the child it is descriptor 3.
      const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', kernel];
      const { status } = spawnSync(qemu, probeArgs('/proc/self/fd/3', cpu), {
        stdio,
        timeout,
        killSignal: 'SIGKILL',
      });
      if (status === probeSuccessStatus) return { works: true, cpu };
    }
    return { works: false, reason: '/dev/kvm opens, but a 64-bit guest does not run with it' };
  } finally {
    closeSync(kernel);
  }
}

/** A file with this content and no name, so that nothing has to be removed if we are killed. */
function openUnlinked(content: Uint8Array): number {
  const path = `${tmpdir()}/ucrun-${process.pid}-${randomInteger()}`;
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  writeSync(fd, content);
  return fd;
}

function randomInteger(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
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
    // By itself a later QEMU gives a microvm SeaBIOS, which without option ROMs finds no kernel.
    '-bios',
    'qboot.rom',
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
