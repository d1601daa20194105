import { createHash } from 'node:crypto';
import { RuntimeError } from '../../base/runtime-error.ts';
import type { MachineNetwork } from '../../machine/record.ts';
import type { BridgeCard } from '../../unikernel/network/bridge-plan.ts';
import { isInNetwork, isIpAddress, isIpv6 } from '../../unikernel/network/ip-address.ts';
import type { IpAddress } from '../../unikernel/network/types.ts';

const form = 'bridge:NAME[,ip=ADDRESS/LENGTH][,gateway=ADDRESS][,dns=ADDRESS][,mac=MAC]';

/**
 * A machine's network, as `--network` has it: `user`, `none`, or once or several times `bridge:NAME` with settings behind commas.
 * `ip` and `gateway` may be there for each family.
 * @param macOf the hardware address of a card that is told none
 * @throws RuntimeError USAGE
 */
export function parseNetwork(texts: readonly string[], macOf: (index: number) => string): MachineNetwork {
  const [first = 'user'] = texts;
  if (texts.length <= 1 && (first === 'user' || first === 'none')) return { kind: first };
  const parsed = texts.map((text, index) => parseBridge(text, texts, () => macOf(index)));
  const cards = parsed.map(({ card }) => card);
  const second = cards.find(({ mac }, index) => cards.findIndex((card) => card.mac === mac) < index);
  if (second !== undefined)
    throw usage(`two cards have the hardware address ${second.mac}`, 'give each its own');
  const nameServers = parsed.flatMap(({ dns }) => dns);
  return { kind: 'bridge', cards, nameServers: nameServers.length === 0 ? undefined : nameServers };
}

/**
 * A hardware address that a machine keeps, also when it is made anew, and that no other one has: so what a DHCP server knows of it stays true.
 * @see RFC 7042 §2.1, local addresses
 */
export function cardMac(hostId: string, machine: string, index: number): string {
  const hash = createHash('sha256').update(`${hostId} ${machine} ${index}`).digest('hex');
  return ['02', ...(hash.match(/../g) ?? []).slice(0, 5)].join(':');
}

function parseBridge(
  text: string,
  all: readonly string[],
  mac: () => string,
): { readonly card: BridgeCard; readonly dns: readonly string[] } {
  const [, bridge, rest = ''] = /^bridge:([^\s/:,]{1,15})(?:,(.+))?$/.exec(text) ?? [];
  if (bridge === undefined) {
    const hint =
      all.length > 1 && (text === 'user' || text === 'none')
        ? `"${text}" stands alone: leave the others out`
        : `it can be user (behind QEMU), none, or ${form}`;
    throw usage(`option --network is "${text}"`, hint);
  }
  const settings = rest === '' ? [] : rest.split(',').map((entry) => parseSetting(entry, text));
  const values = (key: Setting['key']) =>
    settings.flatMap((setting) => (setting.key === key ? [setting.value] : []));
  const addresses = values('ip').map((value) => parseAddress(value, text));
  const gateways = values('gateway').map((value) => requireIp(value, 'gateway', text));
  const ipv4 = only(addresses, false, ({ address }) => address, 'ip', text);
  const ipv6 = only(addresses, true, ({ address }) => address, 'ip', text);
  const ipv4Gateway = only(gateways, false, (gateway) => gateway, 'gateway', text);
  const ipv6Gateway = only(gateways, true, (gateway) => gateway, 'gateway', text);
  checkGateway(ipv4, ipv4Gateway, text);
  checkGateway(ipv6, ipv6Gateway, text);
  const macs = values('mac');
  if (macs.length > 1) throw usage(`option --network "${text}" has mac twice`, 'a card has one');
  return {
    card: {
      bridge,
      mac: macs[0] === undefined ? mac() : parseMac(macs[0], text),
      ipv4,
      ipv4Gateway,
      ipv6,
      ipv6Gateway,
    },
    dns: values('dns').map((value) => requireIp(value, 'dns', text)),
  };
}

interface Setting {
  readonly key: 'ip' | 'gateway' | 'dns' | 'mac';
  readonly value: string;
}

function parseSetting(entry: string, text: string): Setting {
  const [, key, value] = /^(ip|gateway|dns|mac)=(.+)$/.exec(entry) ?? [];
  if (key === undefined || value === undefined)
    throw usage(`option --network "${text}" has "${entry}"`, `write ${form}`);
  return { key: key as Setting['key'], value };
}

/** The one of a family. */
function only<T>(
  values: readonly T[],
  ofIpv6: boolean,
  addressOf: (value: T) => string,
  key: string,
  text: string,
): T | undefined {
  const [first, second] = values.filter((value) => isIpv6(addressOf(value)) === ofIpv6);
  if (second === undefined) return first;
  throw usage(
    `option --network "${text}" has ${key} twice for ${ofIpv6 ? 'IPv6' : 'IPv4'}`,
    'a card has one of each family',
  );
}

function parseAddress(value: string, text: string): IpAddress {
  const [, address = '', length = ''] = /^([^/]+)\/(\d{1,3})$/.exec(value) ?? [];
  const bits = isIpv6(address) ? 128 : 32;
  const prefixLength = Number(length);
  if (!isIpAddress(address) || length === '' || prefixLength < 1 || prefixLength > bits) {
    throw usage(
      `option --network "${text}" has ip=${value}, not an address with the length of its network`,
      'write it such as ip=192.0.2.2/24 or ip=fd00::2/64',
    );
  }
  if (bits === 32 && prefixLength <= 30 && isOfNetworkItself(address, prefixLength)) {
    throw usage(
      `${value} in option --network is the address of the network itself, or that of all in it`,
      'give the guest one between them',
    );
  }
  return { address: address.toLowerCase(), prefixLength };
}

/** Whether an IPv4 address is the first or the last one of its network. */
function isOfNetworkItself(address: string, prefixLength: number): boolean {
  const value = address.split('.').reduce((total, byte) => total * 256 + Number(byte), 0);
  const size = 2 ** (32 - prefixLength);
  return value % size === 0 || value % size === size - 1;
}

function requireIp(value: string, key: string, text: string): string {
  if (isIpAddress(value)) return value.toLowerCase();
  throw usage(
    `option --network "${text}" has ${key}=${value}, not an address`,
    `write it such as ${key}=192.0.2.1`,
  );
}

function checkGateway(own: IpAddress | undefined, gateway: string | undefined, text: string): void {
  if (gateway === undefined) return;
  if (own === undefined) {
    throw usage(
      `option --network "${text}" has gateway=${gateway} without an address beside it`,
      'add ip=ADDRESS/LENGTH of the same family, or leave out the gateway: whoever gives the guest its address names it',
    );
  }
  if (gateway === own.address)
    throw usage(
      `${gateway} in option --network is the guest's own address`,
      'name the router of its network',
    );
  // A router of IPv6 usually says its own by an address of the link.
  if (isInNetwork(own, gateway) || /^fe[89ab]/.test(gateway)) return;
  throw usage(
    `gateway=${gateway} in option --network is outside of the network of ${own.address}/${own.prefixLength}`,
    'name a router in it',
  );
}

function parseMac(value: string, text: string): string {
  const mac = value.toLowerCase();
  const isMac = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(mac) && mac !== '00:00:00:00:00:00';
  // The lowest bit of the first byte is that of groups.
  if (isMac && Number.parseInt(mac.slice(0, 2), 16) % 2 === 0) return mac;
  throw usage(
    `option --network "${text}" has mac=${value}, not the hardware address of a single card`,
    'write it such as mac=02:00:00:00:00:01',
  );
}

function usage(message: string, hint: string): RuntimeError {
  return new RuntimeError('USAGE', message, { hint });
}
