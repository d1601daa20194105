/** Linux guests on each kind of network, joined by passt. */
import { runMatrix } from './support/network-cells.ts';

runMatrix('passt', 'linux');
