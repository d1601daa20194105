import { formatBytes } from '../../base/size.ts';
import { print } from '../print.ts';
import type { Progress } from './context.ts';

const intervalMs = 100;
/** What is done sooner needs no words. */
const patienceMs = 300;
const clearLine = '\r\x1b[K';

/** One line on stderr that is written again and again, if somebody looks at it. */
export function lineOfProgress(isShown: boolean): Progress {
  let label = '';
  let total = 0;
  let done = 0;
  let next = Number.POSITIVE_INFINITY;
  let isWritten = false;
  return {
    isShown,
    begin(what, totalBytes) {
      [label, total, done] = [what, totalBytes, 0];
      next = isShown ? performance.now() + patienceMs : Number.POSITIVE_INFINITY;
    },
    onBytes(count) {
      done += count;
      const now = performance.now();
      if (now < next) return;
      next = now + intervalMs;
      const percent = total === 0 ? 100 : Math.min(100, Math.floor((100 * done) / total));
      print(`${clearLine}${label}: ${percent} % of ${formatBytes(total)}`, 2);
      isWritten = true;
    },
    end() {
      if (isWritten) print(clearLine, 2);
      isWritten = false;
      next = Number.POSITIVE_INFINITY;
    },
  };
}
