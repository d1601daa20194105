import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bareMachine, machineOf } from './machine-command.ts';
import type { NetworkRequest } from './network.ts';
import { bulkBytes, port, type Server } from './network-load.ts';
import { fail, output } from './run.ts';

/** A server that is measured. */
export interface Side {
  /** Start it, anew if it has ended, and wait for its first answer. */
  ready(): Promise<void>;
  isAlive(): boolean;
  /** Host and port. */
  address(): string;
  stop(): void;
}

export interface Places extends NetworkRequest {
  /** With the files that httpd serves. */
  readonly share: string;
  readonly plainImage: string;
}

type Way = 'tap' | 'passt' | 'user';

/** The ways that this host has. */
export function ways(): readonly Way[] {
  return ['tap', ...(existsSync('/usr/bin/passt') ? (['passt'] as const) : []), 'user'];
}

/** busybox httpd from a file system in memory, the same in a container and in a guest. */
const httpdCommand = ['sh', '-c', `cp -r /share/www /tmp/www; exec httpd -f -p ${port} -h /tmp/www`];
const services = { hello: 'hello', httpd: 'linux' } as const;

/** In podman's own network, above what it gives to containers on its own. */
const bareAddresses = { hello: '10.88.255.1', httpd: '10.88.255.2' } as const;
const bareMacs = { hello: '02:75:63:00:01:01', httpd: '02:75:63:00:01:02' } as const;

/** Make the files and the image. */
export function prepareSides(request: NetworkRequest): Places {
  const { scratch } = request;
  const share = join(scratch, 'share');
  mkdirSync(join(share, 'www/cgi-bin'), { recursive: true });
  writeFileSync(join(share, 'www/index.html'), '{"name":"httpd"}\n');
  writeFileSync(join(share, 'www/big'), Buffer.alloc(bulkBytes, 'a sample of bulk data\n'));
  const sink = `#!/bin/sh\necho 'Content-Type: text/plain'\necho\nwc -c\n`;
  writeFileSync(join(share, 'www/cgi-bin/sink'), sink, { mode: 0o755 });
  const image = join(scratch, 'network-image');
  mkdirSync(join(image, 'bin'), { recursive: true });
  copyFileSync(output('sh', ['-c', 'command -v busybox']).trim(), join(image, 'bin/busybox'));
  output('sh', ['-c', `cd ${image}/bin && for name in sh cp httpd wc echo; do ln -s busybox "$name"; done`]);
  writeFileSync(join(image, 'Containerfile'), 'FROM scratch\nCOPY bin /bin\nENV PATH=/bin\n');
  const plainImage = 'localhost/ucrun-bench-httpd';
  output('podman', ['build', '--quiet', '--tag', plainImage, image]);
  return { ...request, share, plainImage };
}

/** A container, whose guest is reached at its address. */
export function guestSide(places: Places, server: Server, way: Way, name = `bench-${server}-${way}`): Side {
  const { ucrun, registry, scratch, trackerImage } = places;
  const config = join(scratch, `${way}.toml`);
  const overlays = join(scratch, 'overlays');
  writeFileSync(
    config,
    `registries = ["${registry}"]\noverlay_dir = "${overlays}"\nnetwork.mode = "${way}"\n`,
  );
  const runtime = join(scratch, `ucrun-${way}`);
  writeFileSync(runtime, `#!/bin/sh\nUCRUN_CONFIG='${config}' exec '${ucrun}' "$@"\n`, { mode: 0o755 });
  return containerSide(name, [
    ...[`--runtime=${runtime}`, '--env', `SERVICE_NAME=${services[server]}`, '--env', `PORT=${port}`],
    ...(server === 'hello' ? [trackerImage] : ['--volume', `${places.share}:/share:ro`]),
    ...(server === 'hello' ? [] : [trackerImage, ...httpdCommand]),
  ]);
}

/** The same server in a container without a machine. */
export function plainSide({ share, plainImage }: Places): Side {
  return containerSide('bench-plain', [
    ...['--runtime=crun', '--tmpfs', '/tmp', '--volume', `${share}:/share:ro`],
    ...[plainImage, ...httpdCommand],
  ]);
}

function containerSide(name: string, words: readonly string[]): Side {
  let address = '';
  const isAlive = () =>
    spawnSync('podman', ['container', 'inspect', '--format', '{{.State.Running}}', name], {
      encoding: 'utf8',
    }).stdout.trim() === 'true';
  const stop = () => {
    output('podman', ['rm', '--force', '--ignore', '--time', '0', name]);
  };
  return {
    async ready() {
      stop();
      output('podman', ['run', '--detach', '--name', name, ...words]);
      address = output('podman', ['inspect', '--format', '{{.NetworkSettings.IPAddress}}', name]).trim();
      await firstAnswer(`${address}:${port}`, () => output('podman', ['logs', name]));
    },
    isAlive,
    address: () => `${address}:${port}`,
    stop,
  };
}

/** The machine that ucrun makes for a container, as a program of its own, with a tap on the bridge where containers have their network. */
export function bareGuest(places: Places, server: Server): Side {
  const { registry, scratch, share } = places;
  const modelName = `bench-${server}-model`;
  const model = guestSide(places, server, 'tap', modelName);
  const address = bareAddresses[server];
  const tap = `bench-${server}`;
  const folder = join(registry, services[server]);
  let child: ChildProcess | undefined;
  let machine: readonly string[] | undefined;
  const isAlive = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  const stop = () => {
    child?.kill('SIGKILL');
    spawnSync('ip', ['link', 'delete', tap], { stdio: 'ignore' });
  };
  return {
    async ready() {
      stop();
      if (machine === undefined) {
        await model.ready();
        const [containerAddress = ''] = model.address().split(':');
        machine = bareMachine(machineOf(modelName), [
          ['/unikernel/kernel', join(folder, server === 'hello' ? 'hello.elf' : 'vmlinux')],
          ['/unikernel/initrd', join(folder, 'initrd')],
          ['/volumes/fs1', share],
          ['/ucrun/run/', `${scratch}/${server}-`],
          [/^tap,id=(\w+),.*/, `tap,id=$1,ifname=${tap},script=no,downscript=no`],
          [/mac=[0-9a-f:]+/, `mac=${bareMacs[server]}`],
          [containerAddress, address],
        ]);
        model.stop();
      }
      output('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap']);
      output('ip', ['link', 'set', 'dev', tap, 'master', 'podman0', 'up']);
      const [program = '', ...args] = machine;
      const log = openSync(join(scratch, `${server}.log`), 'w');
      child = spawn(program, args, { stdio: ['ignore', log, log] });
      await firstAnswer(`${address}:${port}`, () => output('cat', [join(scratch, `${server}.log`)]));
    },
    isAlive,
    address: () => `${address}:${port}`,
    stop,
  };
}

/** Wait for it, at most two minutes. */
async function firstAnswer(address: string, log: () => string): Promise<void> {
  const url = `http://${address}/`;
  for (let attempt = 0; attempt < 240; attempt++) {
    const { status } = spawnSync('curl', ['--silent', '--output', '/dev/null', '--max-time', '2', url]);
    if (status === 0) return;
    await delay(500);
  }
  fail(`${url} does not answer:\n${log()}`);
}
