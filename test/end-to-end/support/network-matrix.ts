/** What each way of joining a guest to its networks gives. docs/network.md has the same table, and the tests hold both to the truth. */
export const networkModes = ['tap', 'user'] as const;

export type NetworkMode = (typeof networkModes)[number];

const both = { tap: 'yes', user: 'yes' } as const;

/** `yes`, or what there is instead. */
export const networkMatrix = {
  'answers at its IPv4 addresses': both,
  'answers at its IPv6 addresses': { tap: 'yes', user: 'no' },
  'reaches others over IPv4': both,
  'reaches others over IPv6': both,
  'finds containers by their names': both,
  'is found by its name': { tap: 'yes', user: 'where the network has IPv4 alone' },
  'is reached at published ports': { tap: 'yes', user: 'over IPv4' },
  'transfers are whole, both ways': both,
  'answers ping itself': { tap: 'yes', user: 'its namespace answers' },
  "has the network's MTU": { tap: 'yes', user: '1500' },
  'has a card for each network': { tap: 'yes', user: 'one card for all' },
} as const satisfies Readonly<Record<string, Readonly<Record<NetworkMode, string>>>>;

export type NetworkCheck = keyof typeof networkMatrix;
