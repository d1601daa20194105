/** What each way of joining a guest to its networks gives. docs/network.md has the same table, and the tests hold both to the truth. */
export const networkModes = ['tap', 'passt', 'user'] as const;

export type NetworkMode = (typeof networkModes)[number];

const all = { tap: 'yes', passt: 'yes', user: 'yes' } as const;

/** `yes`, or what there is instead. */
export const networkMatrix = {
  'answers at its IPv4 addresses': all,
  'answers at its IPv6 addresses': { tap: 'yes', passt: 'yes', user: 'no' },
  'reaches others over IPv4': all,
  'reaches others over IPv6': all,
  'finds containers by their names': all,
  'is found by its name': { tap: 'yes', passt: 'yes', user: 'where the network has IPv4 alone' },
  'is reached at published ports': { tap: 'yes', passt: 'yes', user: 'over IPv4' },
  'transfers are whole, both ways': all,
  'answers ping itself': { tap: 'yes', passt: 'its namespace answers', user: 'its namespace answers' },
  "has the network's MTU": { tap: 'yes', passt: 'yes', user: '1500' },
  'has a card for each network': { tap: 'yes', passt: 'one card for all', user: 'one card for all' },
} as const satisfies Readonly<Record<string, Readonly<Record<NetworkMode, string>>>>;

export type NetworkCheck = keyof typeof networkMatrix;
