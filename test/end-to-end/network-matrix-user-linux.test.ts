/** Linux guests on each kind of network, joined by QEMU's user stack. */
import { runMatrix } from './support/network-cells.ts';

runMatrix('user', 'linux');
