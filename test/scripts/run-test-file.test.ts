import t from 'tap';
import { runTestFile } from '../../scripts/run-test-file.ts';

t.test('a file that hangs is ended, and it is said where it was', { timeout: 150_000 }, async (t) => {
  for (const seconds of [3, 90]) {
    const { passed, failures } = await runTestFile('test/fixtures/runner/hangs.ts', seconds, 0);
    const [words = ''] = failures;
    // On a busy host it may not have come so far.
    if (seconds === 3 && !words.includes('on stderr')) continue;
    t.equal(passed, 1);
    t.equal(failures.length, 1);
    const said =
      'had not ended after \\d+ s; running: one that hangs\nits place in the kernel: .*\nits last output:\n';
    t.match(words, new RegExp(`^test/fixtures/runner/hangs\\.ts ${said}`));
    t.match(words, /^ {8}ok 1 - fine$/m);
    t.match(words, /^ {8}# waiting for nothing\nprinted by \S+:\n {4}on stderr$/m);
    return;
  }
});
