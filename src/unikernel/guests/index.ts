import type { GuestKind, GuestSupport } from './guest.ts';
import { linux } from './linux.ts';
import { raw } from './raw.ts';

export const guests: { readonly [K in GuestKind]: GuestSupport } = { raw, linux };
