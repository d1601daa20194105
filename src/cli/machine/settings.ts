import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDurationMs } from '../../base/duration.ts';
import { RuntimeError } from '../../base/runtime-error.ts';
import { parseMiB } from '../../base/size.ts';
import type { MachineSettings, MachineVolume } from '../../machine/record.ts';
import { checkMachineName } from '../../machine/store.ts';
import { type PortMapping, parsePorts } from '../../unikernel/ports.ts';
import { parseNetwork } from './network-option.ts';

/** What `create`, `run` and `update` take for a machine's settings, as yargs gives it. */
export interface SettingOptions {
  readonly memory?: string | undefined;
  readonly cpus?: string | undefined;
  readonly port?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  readonly volume?: readonly string[] | undefined;
  readonly network?: readonly string[] | undefined;
  readonly kernelArg?: readonly string[] | undefined;
  readonly disableAcceleration?: boolean | undefined;
  readonly hostname?: string | undefined;
  readonly rm?: boolean | undefined;
  readonly restart?: string | undefined;
  readonly restartSec?: string | undefined;
  readonly stopTimeout?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly after?: readonly string[] | undefined;
  readonly requires?: readonly string[] | undefined;
  readonly readyPort?: string | undefined;
  readonly activate?: boolean | undefined;
  readonly idleTimeout?: string | undefined;
}

const usualRestartDelayMs = 1000;

/** What settings have that nobody has to say. */
export interface SettingFacts {
  /** Where the machine is to listen that a connection starts. */
  readonly innerPort: number;
  /** A hardware address for each of its cards. */
  readonly macOf: (index: number) => string;
}

/**
 * A machine's settings, as they were written on a command line.
 * @throws RuntimeError USAGE, MEMORY_INVALID, PORT_INVALID, MACHINE_INVALID
 */
export function settingsFrom(
  options: SettingOptions,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  facts: SettingFacts,
): MachineSettings {
  const { label = [], after = [], requires = [], kernelArg = [], restart = 'no' } = options;
  const readyPort =
    options.readyPort === undefined ? undefined : wholePort(options.readyPort, '--ready-port');
  const ports = options.port === undefined ? undefined : parsePublished(options.port);
  if (options.activate !== true && options.idleTimeout !== undefined)
    throw usage('option --idle-timeout is for machines with --activate', 'add --activate');
  const network = parseNetwork(options.network ?? [], facts.macOf);
  if (network.kind === 'bridge') refuseForwarding(options);
  if (options.rm === true && restart !== 'no')
    throw usage('options --rm and --restart contradict each other', 'leave one of them out');
  return {
    memoryMiB: options.memory === undefined ? undefined : parseMemory(options.memory),
    cpus: options.cpus === undefined ? undefined : parseCpus(options.cpus),
    ports,
    env: (options.env ?? []).flatMap((entry) => variable(entry, env)),
    args,
    kernelArgs: kernelArg,
    volumes: (options.volume ?? []).map(parseVolume),
    network,
    hostname: options.hostname,
    acceleration: options.disableAcceleration !== true,
    autoRemove: options.rm === true,
    labels: parseLabels(label),
    restart: parseRestart(restart, options.restartSec),
    stopTimeoutMs:
      options.stopTimeout === undefined ? undefined : seconds(options.stopTimeout, '--stop-timeout'),
    after: after.map(checkMachineName),
    requires: requires.map(checkMachineName),
    readyPort,
    activation:
      options.activate === true
        ? {
            idleTimeoutMs:
              options.idleTimeout === undefined ? undefined : seconds(options.idleTimeout, '--idle-timeout'),
            innerPort: facts.innerPort,
          }
        : undefined,
  };
}

/** @throws RuntimeError USAGE, PORT_INVALID for what is there for guests behind QEMU alone */
function refuseForwarding({ port, activate }: SettingOptions): void {
  if (port !== undefined) {
    throw new RuntimeError('PORT_INVALID', 'options --port and --network bridge contradict each other', {
      hint: 'leave out --port: on a bridge the guest has an address of its own, and all of its ports are there',
    });
  }
  if (activate !== true) return;
  throw usage(
    'options --activate and --network bridge contradict each other',
    'leave one of them out: systemd listens at a port of the host, and the guest has an address of its own',
  );
}

/** A size as people write it for machines: `64MiB`, and also `64M` or `1g`. @throws RuntimeError MEMORY_INVALID */
export function parseMemory(text: string): number {
  const [, digits, unit] = /^([1-9][0-9]*)\s*([mg])i?b?$/i.exec(text) ?? [];
  return parseMiB(
    digits === undefined ? text : `${digits}${unit?.toLowerCase() === 'g' ? 'GiB' : 'MiB'}`,
    '--memory',
  );
}

/** Whole processors, or a part of one. @throws RuntimeError USAGE */
export function parseCpus(text: string): number {
  const cpus = /^\d{1,3}(?:\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (cpus >= 0.01 && cpus <= 255) return cpus;
  throw usage(
    `option --cpus is "${text}", not a number of processors`,
    'write a number from 0.01 to 255, such as 2 or 0.5',
  );
}

/** Ports as `-p` has them: `[IP:]HOST:GUEST[/udp]`, or `PORT` for both. @throws RuntimeError PORT_INVALID */
export function parsePublished(texts: readonly string[]): readonly PortMapping[] {
  const entries = texts.flatMap((text) => text.split(',')).filter((text) => text !== '');
  const ports = entries.map((entry) => {
    const [, address, rest = entry] = /^(\d{1,3}(?:\.\d{1,3}){3}):(.*)$/.exec(entry) ?? [];
    const [port] = parsePorts(rest, '--port');
    if (port === undefined || (address !== undefined && !isIpv4(address))) {
      throw new RuntimeError('PORT_INVALID', `"${entry}" in --port is not a port`, {
        hint: 'write 8080, 8080:80 (outside:guest), 127.0.0.1:8080:80 or 9090/udp',
      });
    }
    return address === undefined || address === '0.0.0.0' ? port : { address, ...port };
  });
  // The same outside port twice is found as for containers, but for two addresses.
  for (const address of new Set(ports.map((port) => port.address)))
    parsePorts(
      ports
        .filter((port) => port.address === address || port.address === undefined)
        .map(({ host, guest, protocol }) => `${host}:${guest}/${protocol}`)
        .join(','),
      '--port',
    );
  return ports;
}

/** `SOURCE:DESTINATION[:ro]`. A relative source is one of the directory that the command is called in. @throws RuntimeError USAGE */
export function parseVolume(text: string): MachineVolume {
  const [, source, destination, mode] = /^([^:]+):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (source === undefined || destination === undefined)
    throw usage(
      `option --volume is "${text}"`,
      'write SOURCE:/place/in/the/guest, with :ro behind it for reading only',
    );
  const absolute = resolve(source);
  if (statSync(absolute, { throwIfNoEntry: false }) !== undefined)
    return { source: absolute, destination, readOnly: mode === 'ro' };
  throw usage(`the source of option --volume "${text}" is missing`, `make ${absolute}, or correct the path`);
}

/** @throws RuntimeError USAGE */
export function parseRestart(text: string, delay: string | undefined): MachineSettings['restart'] {
  const [, policy, retries] = /^(no|on-failure|always|unless-stopped)(?::(\d{1,4}))?$/.exec(text) ?? [];
  if (policy === undefined || (retries !== undefined && policy !== 'on-failure')) {
    throw usage(
      `option --restart is "${text}"`,
      'it can be no, always, on-failure, or on-failure:N for N times at most',
    );
  }
  return {
    policy: policy === 'unless-stopped' ? 'always' : (policy as 'no' | 'on-failure' | 'always'),
    retries: retries === undefined ? undefined : Number(retries),
    delayMs: delay === undefined ? usualRestartDelayMs : seconds(delay, '--restart-sec'),
  };
}

/** @throws RuntimeError USAGE */
export function parseLabels(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, key, value = ''] = /^([^=\n]+)(?:=(.*))?$/s.exec(text) ?? [];
      if (key === undefined) throw usage(`option --label is "${text}"`, 'write KEY=VALUE');
      return [key, value];
    }),
  );
}

/** A variable of the machine's; one without a value has that of the command's own environment, or is left out. */
export function variable(text: string, env: NodeJS.ProcessEnv): readonly string[] {
  const [name = ''] = text.split('=', 1);
  if (name === '' || /[\0\n]/.test(text))
    throw usage(`option --env is ${JSON.stringify(text)}`, 'write NAME=VALUE, or NAME');
  if (text.includes('=')) return [text];
  return env[name] === undefined ? [] : [`${name}=${env[name]}`];
}

/** A time, of which a plain number means seconds. @throws RuntimeError USAGE */
export function seconds(text: string, option: string): number {
  return parseDurationMs(/^\d+$/.test(text) ? `${text}s` : text, option);
}

function wholePort(text: string, option: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new RuntimeError('PORT_INVALID', `${option} is "${text}", not a port from 1 to 65535`);
}

function isIpv4(address: string): boolean {
  return address.split('.').every((part) => Number(part) <= 255);
}

function usage(message: string, hint: string): RuntimeError {
  return new RuntimeError('USAGE', message, { hint });
}
