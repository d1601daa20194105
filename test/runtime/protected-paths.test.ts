import t from 'tap';
import { protectedPaths } from '../../src/runtime/protected-paths.ts';
import { capturedSpec } from '../unikernel/support/fixtures.ts';

const usual = protectedPaths({});

const linuxOf = (bundle: string) =>
  capturedSpec(bundle).raw.linux as { readonly maskedPaths: string[]; readonly readonlyPaths: string[] };

t.test('protectedPaths() adds to what the engine has, and takes nothing away', async (t) => {
  t.strictSame(protectedPaths({ maskedPaths: ['/proc/x', '/proc/keys'], readonlyPaths: ['/y'] }), {
    maskedPaths: ['/proc/x', '/proc/keys', ...usual.maskedPaths.filter((path) => path !== '/proc/keys')],
    readonlyPaths: ['/y', ...usual.readonlyPaths],
  });
  const twice = protectedPaths({ ...usual });
  t.strictSame(twice, usual, 'each path once');
  for (const value of [undefined, null, [], 'x', {}, 7])
    t.strictSame(protectedPaths({ maskedPaths: value, readonlyPaths: value }), usual, JSON.stringify(value));
});

t.test('protectedPaths() has of /proc at least what every engine has', async (t) => {
  for (const bundle of ['podman-bridge', 'docker', 'containerd']) {
    const { maskedPaths, readonlyPaths } = linuxOf(bundle);
    const hidden = maskedPaths.filter((path) => path.startsWith('/proc/'));
    t.ok(hidden.length > 5 && readonlyPaths.length > 4, bundle);
    t.strictSame(
      hidden.filter((path) => !usual.maskedPaths.includes(path)),
      [],
      bundle,
    );
    t.strictSame(
      readonlyPaths.filter((path) => ![...usual.readonlyPaths, ...usual.maskedPaths].includes(path)),
      [],
      bundle,
    );
  }
});

t.test('protectedPaths() leaves readable what QEMU reads', async (t) => {
  const all = [...usual.maskedPaths, ...usual.readonlyPaths];
  for (const path of ['/proc', '/proc/self', '/proc/cpuinfo', '/proc/meminfo'])
    t.notOk(all.includes(path), path);
  t.notOk(usual.maskedPaths.includes('/proc/sys'));
});
