import { RuntimeError } from '../base/runtime-error.ts';
import type { Accelerator } from './accelerator.ts';
import type { Config } from './config-defaults.ts';

/**
 * What a container's memory limit is of. `within`: of all that the container takes, as for any other container, so the guest has
 * what QEMU leaves of it. `on-top`: of the guest, and the sandbox's is higher by what QEMU needs.
 */
export type MemoryLimitMode = 'within' | 'on-top';

export interface MemoryPlan {
  readonly guestMiB: number;
  readonly vmm: VmmMemory;
}

/** What the monitor takes beside the guest's memory. It is part of the machine, and so of the record. */
export interface VmmMemory {
  readonly limit: MemoryLimitMode;
  readonly overheadMiB: number;
  /** Of which for translated code, QEMU's tb-size; 0 where nothing is translated. */
  readonly codeCacheMiB: number;
}

export interface MemoryRequest {
  /** What the unikernel's definition says. */
  readonly definedMiB: number | undefined;
  /** The container's limit. */
  readonly limitBytes: number | undefined;
  /** For a guest of which neither says anything. */
  readonly defaultMiB: number;
  /** What a guest of its type needs at least. */
  readonly leastMiB: number;
  /** The sizes of the files that QEMU puts into the guest's memory. */
  readonly loadedBytes: number;
  readonly accelerator: Accelerator['kind'];
  readonly cpus: number;
  /** How many disks and shares there are. */
  readonly volumes: number;
  /** How many shares have a virtiofsd of their own. */
  readonly fileServers: number;
  /** Whether passt joins the guest to its network. */
  readonly hasPasst: boolean;
  readonly config: Pick<Config['vmm'], 'memoryLimit' | 'memoryOverheadMiB'>;
}

/**
 * How much memory the guest gets: what its definition says, but never more than fits into the container's limit; if it says
 * nothing, all that fits; without a limit the default.
 * @throws RuntimeError MEMORY_INVALID
 * @see docs/decisions/0012-memory.md
 */
export function planMemory(request: MemoryRequest): MemoryPlan {
  const { definedMiB, limitBytes, defaultMiB, leastMiB, loadedBytes, config } = request;
  const limitMiB = limitBytes === undefined ? undefined : Math.floor(limitBytes / bytesPerMiB);
  const isWithin = config.memoryLimit === 'within';
  const codeCacheMiB = codeCacheFor(request.accelerator, isWithin ? limitMiB : undefined);
  const fixedMiB = fixedOverheadMiB(request, isWithin ? limitMiB : undefined, codeCacheMiB);
  const roomMiB = isWithin ? roomBeside(limitMiB, fixedMiB, config.memoryOverheadMiB) : limitMiB;
  const guestMiB = Math.min(definedMiB ?? roomMiB ?? defaultMiB, roomMiB ?? Number.POSITIVE_INFINITY);
  const overheadMiB = config.memoryOverheadMiB ?? fixedMiB + perGuestMemoryMiB(guestMiB);
  const neededMiB = Math.max(leastMiB, Math.ceil(loadedBytes / bytesPerMiB));
  if (guestMiB >= neededMiB)
    return { guestMiB, vmm: { limit: config.memoryLimit, overheadMiB, codeCacheMiB } };
  if (isWithin && limitMiB !== undefined && guestMiB === roomMiB) {
    // The formula for the limit to set: with a higher one QEMU may take more.
    throw limitTooLow(limitMiB, config.memoryOverheadMiB ?? leastOverheadMiB(request, neededMiB), neededMiB);
  }
  throw new RuntimeError('MEMORY_INVALID', `${guestMiB} MiB of memory is too little for the guest`, {
    hint: `with its files it needs at least ${neededMiB} MiB: raise the container's memory limit or the unikernel's "memory"`,
  });
}

/** What is to be added to a container's memory limit for the sandbox to have. */
export function addedMemoryMiB({ limit, overheadMiB }: VmmMemory): number {
  return limit === 'on-top' ? overheadMiB : 0;
}

/** What a guest may have of a container's new memory limit, at most what it was started with. */
export function guestMemoryWithin(
  { guestMiB, vmm }: MemoryPlan,
  limitBytes: number,
): { readonly bytes: number; readonly isBounded: boolean } {
  const room = limitBytes - (vmm.limit === 'within' ? vmm.overheadMiB : 0) * bytesPerMiB;
  const bootBytes = guestMiB * bytesPerMiB;
  const bytes = Math.min(bootBytes, Math.max(leastMemoryMiB * bytesPerMiB, room));
  return { bytes, isBounded: room > bootBytes };
}

/** A limit with some MiB added. */
export function raisedLimit(limitBytes: number, addedMiB: number): number {
  return limitBytes + addedMiB * bytesPerMiB;
}

const bytesPerMiB = 1024 * 1024;
const leastMemoryMiB = 2;

// Measured with QEMU 7.2, see docs/decisions/0012-memory.md.

/** QEMU's own data, its stacks and the kernel's for it, and the shell beside it. */
const ownMiB: { readonly [K in Accelerator['kind']]: number } = { kvm: 16, tcg: 20 };

/** QEMU's program and libraries are in the container's page cache: how much of them must be for it not to crawl, and all that it uses. */
const programMiB = { least: 12, all: 24 };

/** Without a size TCG's cache may grow to 1 GiB. With less than its guest's code needs, TCG translates again and again. */
const codeCache = { leastMiB: 4, mostMiB: 32 };

const perCpuMiB = 1;
const perVolumeMiB = 1;

/** virtiofsd, its program, and the shell that watches it. */
const perFileServerMiB = 8;

/** passt with its buffers, its program, and the shell that watches it. */
const passtMiB = 28;

/** Page tables and dirty bitmaps. */
function perGuestMemoryMiB(guestMiB: number): number {
  return Math.ceil(guestMiB / 256);
}

function codeCacheFor(accelerator: Accelerator['kind'], limitMiB: number | undefined): number {
  if (accelerator === 'kvm') return 0;
  return between(
    codeCache.leastMiB,
    Math.floor((limitMiB ?? Number.POSITIVE_INFINITY) / 8),
    codeCache.mostMiB,
  );
}

/** All of QEMU's need that does not depend on the guest's memory. */
function fixedOverheadMiB(
  { accelerator, cpus, volumes, fileServers, hasPasst }: MemoryRequest,
  limitMiB: number | undefined,
  codeCacheMiB: number,
): number {
  const program = between(
    programMiB.least,
    Math.floor((limitMiB ?? Number.POSITIVE_INFINITY) / 4),
    programMiB.all,
  );
  const devices = perCpuMiB * cpus + perVolumeMiB * volumes;
  const servers = perFileServerMiB * fileServers + (hasPasst ? passtMiB : 0);
  return ownMiB[accelerator] + program + codeCacheMiB + devices + servers;
}

/** What is left of the limit for the guest, with what QEMU needs for that much. */
function roomBeside(
  limitMiB: number | undefined,
  fixedMiB: number,
  overheadMiB: number | undefined,
): number | undefined {
  if (limitMiB === undefined) return undefined;
  if (overheadMiB !== undefined) return Math.max(0, limitMiB - overheadMiB);
  return Math.max(0, Math.floor(((limitMiB - fixedMiB) * 256) / 257));
}

/** QEMU's need in the lowest limit that the guest fits into. */
function leastOverheadMiB(request: MemoryRequest, neededMiB: number): number {
  for (let limitMiB = neededMiB; ; limitMiB++) {
    const codeCacheMiB = codeCacheFor(request.accelerator, limitMiB);
    const fixedMiB = fixedOverheadMiB(request, limitMiB, codeCacheMiB);
    if ((roomBeside(limitMiB, fixedMiB, undefined) ?? 0) >= neededMiB) return limitMiB - neededMiB;
  }
}

function limitTooLow(limitMiB: number, overheadMiB: number, neededMiB: number): RuntimeError {
  return new RuntimeError(
    'MEMORY_INVALID',
    `a memory limit of ${limitMiB} MiB is too low: QEMU needs ${overheadMiB} MiB of it, and the guest at least ${neededMiB} MiB`,
    {
      hint: `raise the container's memory limit to ${overheadMiB + neededMiB} MiB or more; with [vmm] memory_limit = "on-top" in ucrun's config.toml it is the guest's alone`,
    },
  );
}

function between(least: number, value: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
