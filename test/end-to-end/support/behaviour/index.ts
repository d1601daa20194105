/**
 * What a user of containers counts on, one row a promise. The rows are the same for podman and docker; where an engine has no
 * such verb, the row says why not.
 */
import { consoleRows } from './console.ts';
import { endRows } from './ends.ts';
import type { Row } from './row.ts';
import { signalRows } from './signals.ts';
import { storageRows } from './storage.ts';
import { verbRows } from './verbs.ts';

export { hello, isReady, type Row, runRows } from './row.ts';
export { buildStopSignalImages } from './stop-signal-images.ts';

export const rows: readonly Row[] = [...endRows, ...signalRows, ...consoleRows, ...storageRows, ...verbRows];
