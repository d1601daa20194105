/**
 * Types of guests that others know, and why no machine of ours can be theirs.
 * @see urunc-dev/urunc pkg/unikontainers/unikernels; Solo5/solo5 docs/building.md
 */
export const foreignGuests: ReadonlyMap<string, string> = new Map([
  ['rumprun', 'it runs under a tender of Solo5, solo5-hvt or solo5-spt, and not on QEMU'],
  [
    'solo5-hvt',
    'it needs the tender solo5-hvt: build the unikernel for the target "virtio", and set the type to "mirage"',
  ],
  [
    'solo5-spt',
    'it needs the tender solo5-spt: build the unikernel for the target "virtio", and set the type to "mirage"',
  ],
  [
    'includeos',
    'there is no support for it: a kernel with a multiboot header can be run with the type "raw"',
  ],
  ['freebsd', 'there is no support for it: a kernel with a PVH note can be run with the type "raw"'],
]);
