import t from 'tap';
import { definitionKeys } from '../../src/unikernel/definition.ts';
import {
  type ImageFiles,
  type ImageSettings,
  imageSettings,
  merge,
  namesUnikernel,
  noSettings,
  ownAnnotations,
} from '../../src/unikernel/image-settings.ts';
import { imageWith, plainImage } from './support/image-files.ts';

type Texts = Readonly<Record<string, string>>;

interface Image {
  readonly annotations?: Texts;
  readonly own?: unknown;
  readonly urunc?: unknown;
  readonly files?: Texts;
}

const json = (path: string, content: unknown): Texts =>
  content === undefined ? {} : { [path]: typeof content === 'string' ? content : JSON.stringify(content) };

/** What an image with these annotations and files says. */
function settingsOf({ annotations = {}, own, urunc, files = {} }: Image): ImageSettings | undefined {
  const image = imageWith({ ...json('/ucrun.json', own), ...json('/urunc.json', urunc), ...files });
  return imageSettings({ annotations }, ownAnnotations({ annotations }), image);
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const kraftKernel = { '/unikraft/bin/kernel': '' };
const kraft = { ...kraftKernel, '/unikraft/bin/initrd': '' };
const urunc = (name: string) => `com.urunc.unikernel.${name}`;

t.test('imageSettings() finds a unikernel in each of five places', async (t) => {
  const own = { guest: 'linux', kernel: '/k' };
  const theirs = { [urunc('unikernelType')]: 'linux', [urunc('binary')]: '/k' };
  const written = { guest: urunc('unikernelType'), kernel: urunc('binary') };
  const encoded = Object.fromEntries(Object.entries(theirs).map(([key, value]) => [key, base64(value)]));
  const ours = { written: { guest: 'guest', kernel: 'kernel' }, isUrunc: false };
  const cases: readonly [image: Image, found: Omit<ImageSettings, 'settings'>][] = [
    [
      { annotations: { 'ucrun.guest': 'linux', 'ucrun.kernel': '/k' } },
      {
        written: { guest: 'ucrun.guest', kernel: 'ucrun.kernel' },
        source: 'the annotations',
        isUrunc: false,
      },
    ],
    [{ annotations: theirs }, { written, source: 'the annotations', isUrunc: true }],
    [{ annotations: encoded }, { written, source: 'the annotations', isUrunc: true }],
    [{ own }, { ...ours, source: '/ucrun.json' }],
    [{ urunc: theirs }, { written, source: '/urunc.json', isUrunc: true }],
    [{ urunc: encoded }, { written, source: '/urunc.json', isUrunc: true }],
  ];
  for (const [image, found] of cases)
    t.strictSame(settingsOf(image), { settings: own, ...found }, JSON.stringify(image));
});

t.test("imageSettings() knows the layout of kraft's images", async (t) => {
  const source = "the layout of kraft's images";
  t.strictSame(settingsOf({ files: kraftKernel }), {
    settings: { guest: 'unikraft', kernel: '/unikraft/bin/kernel' },
    written: { guest: 'guest', kernel: 'kernel' },
    source,
    isUrunc: false,
  });
  t.strictSame(settingsOf({ files: kraft }), {
    settings: { guest: 'unikraft', kernel: '/unikraft/bin/kernel', initrd: '/unikraft/bin/initrd' },
    written: { guest: 'guest', kernel: 'kernel', initrd: 'initrd' },
    source,
    isUrunc: false,
  });
  t.equal(settingsOf({ files: { '/unikraft/bin/initrd': '' } }), undefined, 'not without a kernel');
  t.match(
    settingsOf({ files: kraft, annotations: { 'ucrun.memory': '64MiB' }, own: { cpus: 2 } }),
    { settings: { guest: 'unikraft', memory: '64MiB', cpus: '2' }, source },
    'and what tunes it is found in the other places',
  );
  t.strictSame(
    settingsOf({ files: kraft, own: { guest: 'raw', kernel: '/k' } })?.settings,
    { guest: 'raw', kernel: '/k' },
    'it counts only where nothing is written',
  );
  t.match(settingsOf({ files: kraft, annotations: { 'ucrun.initrd': '/unikraft/bin/initrd' } }), { source });
  t.throws(() => settingsOf({ files: kraft, annotations: { 'ucrun.initrd': '/other' } }), {
    code: 'UNIKERNEL_INVALID',
    message: `"ucrun.initrd" in the annotations is "/other", but "initrd" in ${source} is "/unikraft/bin/initrd"`,
  });
});

t.test('imageSettings() finds nothing in a plain image', async (t) => {
  t.equal(settingsOf({}), undefined);
  t.equal(
    settingsOf({ annotations: { 'org.example': 'x', 'com.urunc.unikernelx.binary': '/k' } }),
    undefined,
  );
  t.equal(settingsOf({ annotations: { [urunc('initrd')]: '/i' } }), undefined, 'of no kernel');
  t.equal(settingsOf({ own: {} }), undefined);
  t.equal(settingsOf({ own: { memory: '64MiB' } }), undefined);
  t.equal(settingsOf({ urunc: {} }), undefined);
  t.equal(settingsOf({ urunc: { binary: '/k', kernel: '/k' } }), undefined, "without urunc's prefix");
});

t.test('imageSettings() reads no file more often than it has to, and none of a plain name', async (t) => {
  const asked: string[] = [];
  const image: ImageFiles = {
    isFile(path) {
      asked.push(path);
      return false;
    },
    readText(path) {
      asked.push(path);
      return undefined;
    },
  };
  t.equal(imageSettings({ annotations: {} }, noSettings, image), undefined);
  t.strictSame(asked, ['/ucrun.json', '/urunc.json', '/unikraft/bin/kernel']);
});

t.test('imageSettings() takes of what tunes a unikernel the first', async (t) => {
  const places: Image = {
    annotations: {
      'ucrun.kernel': '/k',
      'ucrun.memory': '1MiB',
      [urunc('unikernelVersion')]: '1',
      [urunc('unikernelType')]: 'linux',
    },
    own: { guest: 'linux', memory: '2MiB', cpus: '2', version: '2' },
    urunc: { [urunc('binary')]: '/k', [urunc('unikernelVersion')]: '3' },
  };
  t.strictSame(settingsOf(places), {
    settings: { kernel: '/k', memory: '1MiB', guest: 'linux', version: '1', cpus: '2' },
    written: {
      kernel: 'ucrun.kernel',
      memory: 'ucrun.memory',
      guest: urunc('unikernelType'),
      version: urunc('unikernelVersion'),
      cpus: 'cpus',
    },
    source: 'the annotations and /ucrun.json and /urunc.json',
    isUrunc: false,
  });
  const { own: _own, ...without } = places;
  t.match(settingsOf({ ...without, annotations: {} }), { source: '/urunc.json', isUrunc: true });
});

t.test('imageSettings() refuses places that contradict each other on what it is', async (t) => {
  const ours: Texts = { guest: 'linux', kernel: '/k', initrd: '/i', disk: '/d', root: 'none' };
  const others: Texts = { guest: 'raw', kernel: '/k2', initrd: '/i2', disk: '/d2', root: 'initrd' };
  const theirNames: Texts = { guest: 'unikernelType', kernel: 'binary', initrd: 'initrd', disk: 'block' };
  for (const key of Object.keys(ours)) {
    const [one = '', other = ''] = [ours[key], others[key]];
    // Each names a unikernel, and agrees on all but the key.
    const image: Image = {
      annotations: { 'ucrun.guest': 'linux', 'ucrun.kernel': '/k', [`ucrun.${key}`]: one },
      own: { guest: 'linux', kernel: '/k', [key]: other },
    };
    t.throws(
      () => settingsOf(image),
      {
        code: 'UNIKERNEL_INVALID',
        message: `"ucrun.${key}" in the annotations is "${one}", but "${key}" in /ucrun.json is "${other}"`,
        hint: 'one container runs one unikernel: leave one of the two out',
      },
      key,
    );
    t.doesNotThrow(() => settingsOf({ ...image, own: { [key]: one } }), `${key}, the same twice`);
    const name = theirNames[key];
    if (name === undefined) continue;
    const place = { [urunc(name)]: base64(other) };
    const message = `"${key}" in /ucrun.json is "${one}", but "${urunc(name)}" in`;
    const own = { guest: 'linux', kernel: '/k', [key]: one };
    t.throws(() => settingsOf({ own, urunc: place }), { message: `${message} /urunc.json is "${other}"` });
    t.throws(() => settingsOf({ own, annotations: place }), {
      message: `"${urunc(name)}" in the annotations is "${other}", but "${key}" in /ucrun.json is "${one}"`,
    });
  }
  t.throws(
    () => settingsOf({ own: { root: 'none', kernel: '/k' }, urunc: { [urunc('mountRootfs')]: 'true' } }),
    {
      message:
        '"root" in /ucrun.json is "none", but "com.urunc.unikernel.mountRootfs" in /urunc.json is "9p"',
    },
  );
});

t.test('imageSettings() refuses a file that is not what its name says', async (t) => {
  const cases: readonly [text: string, problem: string][] = [
    ['', 'is not JSON'],
    ['{', 'is not JSON'],
    ['{"kernel": "/k"} more', 'is not JSON'],
    ["{kernel: '/k'}", 'is not JSON'],
    ['\uFEFF{}', 'is not JSON'],
    ['\0', 'is not JSON'],
    ['null', 'is not a JSON object'],
    ['[]', 'is not a JSON object'],
    ['"kernel"', 'is not a JSON object'],
    ['7', 'is not a JSON object'],
    ['{"kernel": null}', 'has a value that is null'],
    ['{"kernel": {}}', 'has a value that is no text'],
    ['{"kernel": ["/k", 7]}', 'has a value that is no text'],
    ['{"kernel": [["/k"]]}', 'has a value that is no text'],
    ['['.repeat(10_000), 'is not JSON'],
  ];
  for (const path of ['/ucrun.json', '/urunc.json'])
    for (const [text, problem] of cases)
      t.throws(
        () => settingsOf({ files: { [path]: text } }),
        {
          code: 'UNIKERNEL_INVALID',
          message: `"${path}" in the image ${problem}`,
          hint: 'it must be a JSON object whose values are texts',
        },
        `${path} ${JSON.stringify(text.slice(0, 30))}`,
      );
});

t.test('imageSettings() takes numbers, truth and lists as texts', async (t) => {
  const own = { guest: 'raw', kernel: '/k', cpus: 2, powerButton: false, ports: ['80', '90/udp'], disk: [] };
  t.strictSame(settingsOf({ own })?.settings, {
    guest: 'raw',
    kernel: '/k',
    cpus: '2',
    powerButton: 'false',
    ports: '80,90/udp',
    disk: '',
  });
});

t.test(
  'imageSettings() refuses an unknown key of /ucrun.json, and leaves others of /urunc.json',
  async (t) => {
    const cases: readonly [key: string, hint: string | RegExp][] = [
      ['kernal', 'did you mean "kernel"?'],
      ['Guest', 'did you mean "guest"?'],
      ['ucrun.kernel', /^known keys: guest, kernel, /],
      [urunc('binary'), /^known keys: /],
      ['__proto__', /^known keys: /],
      ['constructor', /^known keys: /],
      ['', /^known keys: /],
    ];
    for (const [key, hint] of cases) {
      const text = `{"guest": "raw", "kernel": "/k", ${JSON.stringify(key)}: "x"}`;
      t.throws(
        () => settingsOf({ own: text }),
        { code: 'UNIKERNEL_INVALID', message: `unknown key "${key}" in /ucrun.json`, hint },
        key,
      );
      t.doesNotThrow(() => settingsOf({ urunc: text }), key);
    }
    t.throws(() => settingsOf({ own: { gest: 'raw', kernal: '/k' } }), {
      message: 'unknown key "gest" in /ucrun.json',
      hint: 'did you mean "guest"?',
    });
  },
);

t.test('ownAnnotations() reads every key, as it is written', async (t) => {
  const annotations = Object.fromEntries(definitionKeys.map((key) => [`ucrun.${key}`, `of ${key}`]));
  t.strictSame(ownAnnotations({ annotations: { other: 'x', ...annotations } }), {
    settings: Object.fromEntries(definitionKeys.map((key) => [key, `of ${key}`])),
    written: Object.fromEntries(definitionKeys.map((key) => [key, `ucrun.${key}`])),
    source: 'the annotations',
    isUrunc: false,
  });
  t.strictSame(ownAnnotations({ annotations: {} }), { ...noSettings, source: 'the annotations' });
});

t.test('namesUnikernel() holds for what is run, not for what tunes it', async (t) => {
  const names = new Set(['guest', 'kernel', 'disk']);
  for (const key of definitionKeys)
    t.equal(namesUnikernel({ ...noSettings, settings: { [key]: 'x' } }), names.has(key), key);
  t.equal(namesUnikernel(noSettings), false);
});

t.test('merge() takes keys that every object knows as keys like any other', async (t) => {
  const settings = JSON.parse('{"__proto__": "a", "constructor": "b"}') as Texts;
  const { settings: merged } = merge([{ ...noSettings, settings }, noSettings]);
  t.equal(Object.hasOwn(merged, 'constructor') && merged.constructor, 'b');
  t.strictSame(merge([]), noSettings);
});

t.test('imageSettings() of an image that only looks alike is none', async (t) => {
  t.equal(imageSettings({ annotations: {} }, noSettings, plainImage), undefined);
});
