import t from 'tap';
import {
  chooseImage,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from '../../../src/unikernel/oci/documents.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const entry = (letter: string, os?: string, architecture = 'amd64', name?: string) => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: digest(letter),
  size: 7,
  ...(os === undefined ? {} : { platform: { os, architecture } }),
  ...(name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }),
});
const index = (...manifests: readonly object[]) => parseIndex(JSON.stringify({ manifests }), 'here');

t.test('chooseImage() takes the image for QEMU on this processor', async (t) => {
  const cases: readonly (readonly [list: readonly object[], expected: string, reference?: string])[] = [
    [[entry('a')], 'a'],
    [[entry('a', 'linux')], 'a'],
    [[entry('a', 'linux'), entry('b', 'qemu')], 'b'],
    [[entry('a', 'fc', 'x86_64'), entry('b', 'qemu', 'x86_64')], 'b'],
    [[entry('a', 'qemu', 'arm64'), entry('b', 'fc')], 'b'],
    [[entry('a', 'unknown', 'unknown'), entry('b', 'linux')], 'b'],
    [[entry('a', undefined, undefined, 'one'), entry('b', undefined, undefined, 'two')], 'b', 'two'],
  ];
  for (const [list, expected, reference] of cases)
    t.equal(chooseImage(index(...list), 'here', reference).digest, digest(expected), JSON.stringify(list));
});

t.test('chooseImage() says what there is, where there is nothing for us', async (t) => {
  const code = 'OCI_IMAGE_INVALID';
  t.throws(() => chooseImage(index(), 'here'), { code, message: 'here is empty' });
  t.throws(() => chooseImage(index(entry('a', 'linux', 'arm64'), entry('b', 'xen')), 'here'), {
    code,
    message: 'here has no image for x86-64: there are linux/arm64, xen/amd64',
  });
  t.throws(() => chooseImage(index(entry('a', undefined, undefined, 'one'), entry('b')), 'here'), {
    code,
    message: 'here has no image for x86-64: there are one, one without a name',
    hint: /skopeo copy/,
  });
});

t.test('documents that are wrong are refused', async (t) => {
  const code = 'OCI_IMAGE_INVALID';
  t.throws(() => parseIndex('{', 'here'), { code, message: 'here is not JSON' });
  t.throws(() => parseIndex('[]', 'here'), { code, message: 'here is no JSON object' });
  t.throws(() => parseIndex('{}', 'here'), { code, message: 'here has no list of images' });
  for (const change of [
    { digest: 'sha256:../../x' },
    { digest: 'md5:00' },
    { size: -1 },
    { size: '7' },
    { digest: 7 },
  ])
    t.throws(() => index({ ...entry('a'), ...change }), {
      code,
      message: /without a size, or without a SHA-256/,
    });
  t.throws(() => parseManifest(JSON.stringify({ config: entry('a') }), 'here'), {
    code,
    message: 'here has no layers',
  });
  t.throws(() => parseManifest(JSON.stringify({ layers: [] }), 'here'), { code });
});

t.test('parseImageConfig() takes what is text', async (t) => {
  const config = {
    architecture: 'x86_64',
    os: 'qemu',
    'os.version': '0.17.0',
    config: { Cmd: ['a', 7], Env: 'x', Labels: { a: 'b', c: 1 } },
  };
  t.strictSame(parseImageConfig(JSON.stringify(config), 'here'), {
    architecture: 'x86_64',
    os: 'qemu',
    osVersion: '0.17.0',
    entrypoint: [],
    command: ['a'],
    env: [],
    labels: { a: 'b' },
  });
});
