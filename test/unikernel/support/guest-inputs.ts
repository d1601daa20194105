import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import type { GuestNetwork } from '../../../src/unikernel/network/types.ts';
import { card } from './plans.ts';

/** A guest that is told nothing. */
export const nothing: GuestInput = {
  cmdline: '',
  version: undefined,
  args: [],
  env: [],
  workingDirectory: undefined,
  hostname: undefined,
  root: 'none',
  volumes: [],
  network: undefined,
  port: undefined,
};

export const ipv4Only: GuestNetwork = { cards: [card], nameServers: ['10.88.0.1', 'fd00::53', '1.1.1.1'] };

export const bothFamilies: GuestNetwork = {
  cards: [{ ...card, ipv6: { address: 'fd00:88::2', prefixLength: 64 }, ipv6Gateway: 'fd00:88::1' }],
  nameServers: ipv4Only.nameServers,
};

/** Three cards: one that has all, one without an address, one without a gateway. */
export const threeCards: GuestNetwork = {
  cards: [
    card,
    { ...card, ipv4: undefined, ipv4Gateway: undefined },
    { ...card, ipv4: { address: '10.99.0.7', prefixLength: 24 }, ipv4Gateway: undefined },
  ],
  nameServers: [],
};

/** What is awkward in one command line or another. */
export const awkwardCharacters: readonly string[] = [
  ...'abcXYZ019_=,.:;/\\\'"$`!&|*#-~{}[]()<>?^%@+ ',
  ...['  ', '\\\\', "\\'", '\\"', '--', '$(', ']', '\t', '\n', '\r', '\v', '\x7f', 'é', '\u00a0', '統', '💾'],
];
