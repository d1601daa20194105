/** Hello on each kind of network, joined by taps. */
import { runMatrix } from './support/network-cells.ts';

runMatrix('tap', 'hello');
