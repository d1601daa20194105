import type { GuestKind, GuestSupport } from './guest.ts';
import { hermit } from './hermit.ts';
import { linux } from './linux.ts';
import { mewz } from './mewz.ts';
import { mirage } from './mirage.ts';
import { nanos } from './nanos.ts';
import { osv } from './osv.ts';
import { raw } from './raw.ts';
import { unikraft } from './unikraft.ts';

export const guests: { readonly [K in GuestKind]: GuestSupport } = {
  raw,
  linux,
  unikraft,
  nanos,
  mirage,
  hermit,
  mewz,
  osv,
};
