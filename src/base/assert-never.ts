/** Ends a `switch` over a union: does not compile while a variant has no case. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
