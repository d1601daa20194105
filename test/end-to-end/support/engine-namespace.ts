import { existsSync, readdirSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './command.ts';
import { waitFor } from './wait.ts';

/**
 * A network namespace of an engine's own, where its rules of iptables and its forwarding are in no one's way. A pair of network
 * devices joins it to the test's.
 */
export interface EngineNamespace {
  readonly name: string;
  /** Where the test reaches the namespace. */
  readonly address: string;
  /** The device that leads to the test. */
  readonly uplink: string;
  /** The arguments of nsenter that run a command in it. Not by `ip netns exec`, which would mount another /sys, without the cgroups. */
  nsenterArgs(...command: readonly string[]): readonly string[];
  /** Wait for its processes to end, and remove it, and what the engine has mounted below the folders, and its cgroups. */
  remove(...folders: readonly string[]): Promise<void>;
}

/**
 * Make a namespace.
 * @param name also of the engine's cgroups
 * @param number not that of another one at the same time; the addresses between are below 172.30.NUMBER
 * @param containers the network of the containers' own addresses, such as `172.31.1.0/24`
 */
export async function makeEngineNamespace(
  name: string,
  number: number,
  containers: string,
): Promise<EngineNamespace> {
  const address = `172.30.${number}.2`;
  const uplink = 'uplink';
  const outside = `engine-${number}`;
  const inside = ['-netns', name];
  await output('ip', ['netns', 'add', name]);
  await output('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', uplink, 'netns', name]);
  await output('ip', ['address', 'add', `172.30.${number}.1/30`, 'dev', outside]);
  await output('ip', [...inside, 'address', 'add', `${address}/30`, 'dev', uplink]);
  await output('ip', [...inside, 'link', 'set', 'lo', 'up']);
  await output('ip', [...inside, 'link', 'set', uplink, 'up']);
  await output('ip', ['link', 'set', outside, 'up']);
  await output('ip', ['route', 'add', containers, 'via', address]);
  return {
    name,
    address,
    uplink,
    nsenterArgs: (...command) => [`--net=/run/netns/${name}`, ...command],
    async remove(...folders) {
      await waitFor(`the processes of ${name} to go`, async () => {
        return (await output('ip', ['netns', 'pids', name])) === '';
      });
      for (const folder of folders) await unmountBelow(folder);
      await output('ip', ['netns', 'delete', name]);
      for (const cgroup of cgroupsNamed(name)) await rmdir(cgroup);
    },
  };
}

async function unmountBelow(folder: string): Promise<void> {
  const targets = (await output('findmnt', ['--noheadings', '--raw', '--output', 'TARGET'])).split('\n');
  for (const target of targets.reverse())
    if (target.startsWith(`${folder}/`)) await output('umount', [target]);
}

/** Its cgroups: one in each hierarchy of v1, or the one of v2. */
function cgroupsNamed(name: string): readonly string[] {
  const root = '/sys/fs/cgroup';
  const hierarchies = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [root, ...hierarchies.map((entry) => join(root, entry.name))]
    .map((folder) => join(folder, name))
    .filter((folder) => existsSync(folder));
}
