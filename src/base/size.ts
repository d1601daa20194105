import { RuntimeError } from './runtime-error.ts';

const mebibytesIn = { MiB: 1, GiB: 1024 } as const;

/**
 * The size that `text` means, in MiB: `128MiB` → 128, `2GiB` → 2048.
 * A number without a unit is refused: some programs take it for bytes and others for mebibytes.
 * @param what whose size it is, for the message, such as `memory in /k/unikernel.json`
 * @throws RuntimeError MEMORY_INVALID
 */
export function parseMiB(text: string, what: string): number {
  const match = /^([1-9][0-9]{0,6})(MiB|GiB)$/.exec(text);
  if (match === null)
    throw new RuntimeError('MEMORY_INVALID', `${what} is "${text}", not a size`, { hint: sizeHint(text) });
  const [, digits, unit] = match;
  return Number(digits) * mebibytesIn[unit as keyof typeof mebibytesIn];
}

/** A size as people write it, in the largest unit that keeps the number whole: 2048 → `2GiB`. */
export function formatMiB(sizeMiB: number): string {
  return sizeMiB % mebibytesIn.GiB === 0 ? `${sizeMiB / mebibytesIn.GiB}GiB` : `${sizeMiB}MiB`;
}

/** What to write instead: the same number with the unit that was most probably meant. */
function sizeHint(text: string): string {
  const [, digits, letter] = /^([1-9][0-9]{0,6})\s*(?:([mg])i?b?)?$/i.exec(text) ?? [];
  if (digits === undefined) return 'a size is a whole number above 0 with its unit, such as 128MiB or 1GiB';
  return `write the unit: ${digits}${letter?.toLowerCase() === 'g' ? 'GiB' : 'MiB'}`;
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A number of bytes for people, with up to three digits: 512 → `512B`, 1536 → `1.5KiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < byteUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 10 ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value));
  return `${digits}${byteUnits[unit]}`;
}
