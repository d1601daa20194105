import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';
import { output } from './command.ts';
import { registry } from './environment.ts';
import { waitFor } from './wait.ts';

export interface BareCard {
  /** QEMU's words for what the card is connected to, without its id: `tap,ifname=hn0,script=no`. */
  readonly netdev: string;
  readonly mac: string;
  /** What the card says its MTU is; nothing by default. */
  readonly hostMtu?: number;
}

export interface BareHello {
  /** What it has printed so far. */
  readonly printed: () => string;
  /** QEMU's exit status. It is killed if it does not end in time. */
  readonly ended: () => Promise<number>;
}

/** A tap with addresses such as `10.77.0.1/24`, which goes with the test. */
export async function makeTap(
  t: Test,
  name: string,
  addresses: readonly string[],
  mtu = 1500,
): Promise<BareCard['netdev']> {
  const batch = [
    `tuntap add dev ${name} mode tap`,
    `link set dev ${name} mtu ${mtu} up`,
    ...addresses.map(
      (address) => `address add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`,
    ),
  ];
  t.teardown(() => output('ip', ['link', 'delete', name]));
  await output('ip', ['-batch', '-'], { input: `${batch.join('\n')}\n` });
  return `tap,ifname=${name},script=no,downscript=no`;
}

/**
 * Run hello under QEMU by hand, with cards of the test's own, and wait until it says that it is ready. It ends with the test.
 * @param cards in the order in which it counts them
 */
export async function startBareHello(
  t: Test,
  cards: readonly BareCard[],
  cmdline: string,
): Promise<BareHello> {
  const child = startQemu(t, [
    '-machine',
    'microvm,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=on,acpi=on',
    '-global',
    'virtio-mmio.force-legacy=false',
    '-accel',
    'tcg',
    '-m',
    '32M',
    '-chardev',
    'stdio,id=console,signal=off',
    '-serial',
    'chardev:console',
    '-device',
    'isa-debug-exit,iobase=0x501,iosize=4',
    ...cards.flatMap(({ netdev, mac, hostMtu }, index) => [
      '-netdev',
      netdev.replace(',', `,id=net${index},`),
      '-device',
      `virtio-net-device,netdev=net${index},mac=${mac}${hostMtu === undefined ? '' : `,host_mtu=${hostMtu}`}`,
    ]),
    '-kernel',
    join(registry, 'hello/hello.elf'),
    '-append',
    cmdline,
  ]);
  let printed = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const hello = {
    printed: () => printed,
    async ended() {
      if (child.exitCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
      return child.exitCode ?? -1;
    },
  };
  await waitFor('hello to be ready', () => /^hello: ready.*\n/m.test(printed) || child.exitCode !== null, 60);
  return hello;
}

/** Run QEMU with these words after those that leave out everything. It ends with the test. */
export function startQemu(t: Test, args: readonly string[]): ChildProcess {
  const child = spawn(
    'qemu-system-x86_64',
    ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}
