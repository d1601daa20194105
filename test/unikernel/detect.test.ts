import t from 'tap';
import { checkName, detectUnikernel, isPodMember } from '../../src/unikernel/detect.ts';
import type { Spec } from '../../src/unikernel/spec.ts';
import { capturedSpec, specWith } from './support/fixtures.ts';
import { imageWith, plainImage } from './support/image-files.ts';

const detect = (spec: Spec, files = plainImage) => detectUnikernel(spec, true, files);
const withEnv = (...env: readonly string[]) => specWith({ process: { env } });
const withAnnotations = (annotations: object, ...env: readonly string[]) =>
  specWith({ process: { env }, annotations });

t.test('detectUnikernel() finds none in a plain container', async (t) => {
  t.equal(detect(specWith({})), undefined);
  t.equal(detect(withEnv('PATH=/bin', 'NAME=x', 'MY_SERVICE_NAME=x')), undefined);
  t.equal(detect(withEnv('SERVICE_NAME=')), undefined);
  t.equal(
    detect(withAnnotations({ 'org.example.ucrun.kernel': '/k', ucrun: 'x', 'ucrunx.a': 'b' })),
    undefined,
  );
  t.equal(detect(capturedSpec('podman-none')), undefined);
});

t.test('detectUnikernel() finds SERVICE_NAME, whichever engine wrote it', async (t) => {
  for (const bundle of ['podman-bridge', 'podman-host', 'podman-userns', 'docker', 'containerd']) {
    const found = { kind: 'registry', name: 'hello', overrides: {} };
    t.strictSame(detect(capturedSpec(bundle)), found, bundle);
  }
  t.match(detect(withEnv('SERVICE_NAME=a', 'SERVICE_NAME=b')), { name: 'b' }, 'the last one wins');
});

t.test('detectUnikernel() finds the annotations of an image', async (t) => {
  t.strictSame(detect(capturedSpec('podman-annotations')), {
    kind: 'image',
    image: {
      settings: { guest: 'raw', kernel: '/k' },
      written: { guest: 'ucrun.guest', kernel: 'ucrun.kernel' },
      source: 'the annotations',
      isUrunc: false,
    },
  });
  for (const key of ['kernel', 'guest', 'disk'])
    t.match(
      detect(withAnnotations({ [`ucrun.${key}`]: 'x' })),
      { kind: 'image', image: { settings: { [key]: 'x' } } },
      'an incomplete one is still one: the definition says what is missing',
    );
});

t.test('detectUnikernel() refuses two unikernels in one container, and names both places', async (t) => {
  const vm = { vm: { kernel: { path: '/srv/k' } } };
  const annotated = { annotations: { 'ucrun.guest': 'raw', 'ucrun.kernel': '/k' } };
  const named = { process: { env: ['SERVICE_NAME=hello'] } };
  const urunc = imageWith({ '/urunc.json': '{"com.urunc.unikernel.binary": "/k"}' });
  const kraft = imageWith({ '/unikraft/bin/kernel': '' });
  const agreeing = imageWith({ '/ucrun.json': '{"guest": "raw", "kernel": "/k"}' });
  const vmSection = 'the vm section of config.json';
  const name = 'SERVICE_NAME=hello';
  const cases: readonly [fields: object, files: typeof plainImage, one: string, other: string][] = [
    [{ ...annotated, ...named }, plainImage, name, 'the annotations'],
    [{ annotations: { 'ucrun.guest': 'raw' }, ...named }, plainImage, name, 'the annotations'],
    [{ annotations: { 'ucrun.disk': '/d' }, ...named }, plainImage, name, 'the annotations'],
    [
      { annotations: { 'com.urunc.unikernel.unikernelType': 'linux' }, ...named },
      plainImage,
      name,
      'the annotations',
    ],
    [named, imageWith({ '/ucrun.json': '{"kernel": "/k"}' }), name, '/ucrun.json'],
    [named, urunc, name, '/urunc.json'],
    [named, kraft, name, "the layout of kraft's images"],
    [{ ...annotated, ...named }, agreeing, name, 'the annotations and /ucrun.json'],
    [{ ...vm, ...named }, plainImage, name, "the bundle's config.json"],
    [{ ...vm, ...annotated }, plainImage, vmSection, 'the annotations'],
    [{ ...vm, ...annotated, ...named }, plainImage, vmSection, 'the annotations'],
    [{ ...vm, annotations: { 'ucrun.disk': '/d' } }, plainImage, vmSection, 'the annotations'],
    [vm, urunc, vmSection, '/urunc.json'],
    [vm, kraft, vmSection, "the layout of kraft's images"],
  ];
  for (const [fields, files, one, other] of cases) {
    t.throws(
      () => detect(specWith(fields), files),
      {
        code: 'UNIKERNEL_INVALID',
        message: `both ${one} and ${other} name a unikernel: one container runs one`,
        hint: one === name ? /^leave one of the two out; service_name = false / : 'leave one of the two out',
      },
      `${JSON.stringify(fields)} ${other}`,
    );
  }
  t.match(detectUnikernel(specWith({ ...annotated, ...named }), false, plainImage), { kind: 'image' });
});

t.test('detectUnikernel() finds the vm section, tuned by annotations', async (t) => {
  const vm = { kernel: { path: '/srv/k', parameters: ['a'] }, hwConfig: { memory: 2 ** 26 } };
  t.strictSame(detect(specWith({ vm })), {
    kind: 'vm',
    image: {
      settings: { kernel: '/srv/k', cmdline: 'a', memory: '64MiB' },
      written: {
        kernel: 'vm.kernel.path',
        cmdline: 'vm.kernel.parameters',
        memory: 'vm.hwConfig.memory',
      },
      source: "the bundle's config.json",
      isUrunc: false,
    },
  });
  const tuned = detect(
    specWith({ vm, annotations: { 'ucrun.guest': 'linux', 'ucrun.memory': '32MiB', 'ucrun.cpus': '2' } }),
  );
  t.match(tuned, {
    kind: 'vm',
    image: {
      settings: { kernel: '/srv/k', guest: 'linux', memory: '32MiB', cpus: '2', cmdline: 'a' },
      written: { guest: 'ucrun.guest', memory: 'ucrun.memory', kernel: 'vm.kernel.path' },
    },
  });
  const withInitrd = { kernel: { path: '/srv/k', initrd: '/srv/i' } };
  t.throws(() => detect(specWith({ vm: withInitrd, annotations: { 'ucrun.initrd': '/other' } })), {
    code: 'UNIKERNEL_INVALID',
    message:
      '"ucrun.initrd" in the annotations is "/other", but "vm.kernel.initrd" in the bundle\'s config.json is "/srv/i"',
  });
  t.equal(detect(specWith({ vm: {} })), undefined, 'one that names nothing is no unikernel');
  t.throws(
    () => detect(specWith({ vm: {}, annotations: { 'ucrun.memory': '32MiB' } })),
    { message: 'annotation "ucrun.memory" is set, but no unikernel is named' },
    'nor do annotations make it one',
  );
});

t.test('detectUnikernel() takes other annotations as changes to a named unikernel', async (t) => {
  t.strictSame(detect(withAnnotations({ 'ucrun.memory': '64MiB', other: 'x' }, 'SERVICE_NAME=hello')), {
    kind: 'registry',
    name: 'hello',
    overrides: { memory: '64MiB' },
  });
});

t.test('detectUnikernel() refuses annotations that belong to no unikernel', async (t) => {
  t.throws(() => detect(withAnnotations({ 'ucrun.memory': '64MiB' })), {
    code: 'UNIKERNEL_INVALID',
    message: 'annotation "ucrun.memory" is set, but no unikernel is named',
    hint: /SERVICE_NAME/,
  });
});

t.test('detectUnikernel() refuses an unknown annotation and names the nearest', async (t) => {
  const cases: readonly [key: string, hint: string | RegExp][] = [
    ['ucrun.kernal', 'did you mean "ucrun.kernel"?'],
    ['ucrun.Memory', 'did you mean "ucrun.memory"?'],
    ['ucrun.powerbutton', 'did you mean "ucrun.powerButton"?'],
    ['ucrun.zzzzzzzzzz', /^known annotations: ucrun\.guest, ucrun\.kernel, /],
    ['ucrun.', /^known annotations: |^did you mean/],
    ['ucrun.__proto__', /^known annotations: /],
  ];
  for (const [key, hint] of cases) {
    t.throws(
      () => detect(withAnnotations(JSON.parse(`{"${key}": "x"}`), 'SERVICE_NAME=hello')),
      { code: 'UNIKERNEL_INVALID', message: `unknown annotation "${key}"`, hint },
      key,
    );
  }
});

t.test('detectUnikernel() leaves the pause container of a pod alone', async (t) => {
  const broken = imageWith({ '/ucrun.json': 'nonsense', '/unikraft/bin/kernel': '' });
  const marks = [
    { 'io.kubernetes.cri.container-type': 'sandbox' },
    { 'io.kubernetes.cri-o.ContainerType': 'sandbox' },
  ];
  for (const mark of marks) {
    // The engine hands the pod's annotations down to it, too.
    const spec = withAnnotations(
      { ...mark, 'ucrun.kernel': '/k', 'ucrun.nonsense': '1' },
      'SERVICE_NAME=hello',
    );
    t.equal(detect(spec, broken), undefined, JSON.stringify(mark));
  }
  const inside = withAnnotations({ 'io.kubernetes.cri.container-type': 'container' }, 'SERVICE_NAME=hello');
  t.match(detect(inside), { name: 'hello' });
});

t.test(
  "detectUnikernel() takes a pod's annotations for its unikernels, and leaves its plain containers alone",
  async (t) => {
    const member = { 'io.kubernetes.cri.container-type': 'container', 'ucrun.memory': '64MiB' };
    t.match(detect(withAnnotations(member, 'SERVICE_NAME=hello')), { overrides: { memory: '64MiB' } });
    t.equal(detect(withAnnotations(member)), undefined);
    t.throws(() => detect(withAnnotations({ ...member, 'ucrun.memmory': '1' })), {
      message: 'unknown annotation "ucrun.memmory"',
    });
  },
);

t.test('isPodMember() holds for the containers of a pod, but for its pause container', async (t) => {
  for (const key of ['io.kubernetes.cri.container-type', 'io.kubernetes.cri-o.ContainerType']) {
    t.equal(isPodMember({ annotations: { [key]: 'container' } }), true, key);
    t.equal(isPodMember({ annotations: { [key]: 'sandbox' } }), false, key);
  }
  for (const bundle of ['podman-bridge', 'docker', 'containerd'])
    t.equal(isPodMember(capturedSpec(bundle)), false, bundle);
});

t.test('checkName() takes names, and nothing that could leave a folder', async (t) => {
  for (const name of ['hello', 'a', '0', 'web-1.2_x', 'a..b', `${'a'.repeat(64)}`])
    t.equal(checkName(name), name);
  const refused = [
    '..',
    '.',
    '.hidden',
    '/etc',
    'a/b',
    '../a',
    'Hello',
    'a b',
    'a\nb',
    'a\n',
    '',
    '-a',
    '_a',
    'é',
    'a\0',
  ];
  for (const name of [...refused, 'a'.repeat(65)]) {
    t.throws(
      () => checkName(name, 'in SERVICE_NAME'),
      {
        code: 'UNIKERNEL_INVALID',
        message: `${JSON.stringify(name)} in SERVICE_NAME is not a unikernel's name`,
        hint: /^a name is up to 64 of a-z/,
      },
      JSON.stringify(name),
    );
  }
  t.throws(() => detect(withEnv('SERVICE_NAME=../../etc')), { code: 'UNIKERNEL_INVALID' });
});

t.test('detectUnikernel() leaves SERVICE_NAME to the image where it means nothing', async (t) => {
  const detectUnnamed = (spec: Spec) => detectUnikernel(spec, false, plainImage);
  t.equal(detectUnnamed(withEnv('SERVICE_NAME=hello')), undefined);
  t.equal(detectUnnamed(withEnv('SERVICE_NAME=No Name')), undefined);
  t.match(detectUnnamed(capturedSpec('podman-annotations')), { kind: 'image' });
  t.match(detectUnnamed(withAnnotations({ 'ucrun.kernel': '/k' }, 'SERVICE_NAME=hello')), { kind: 'image' });
  t.throws(() => detectUnnamed(withAnnotations({ 'ucrun.memory': '64MiB' }, 'SERVICE_NAME=hello')), {
    code: 'UNIKERNEL_INVALID',
    hint: /service_name = false$/,
  });
});
