import t from 'tap';
import { guestKinds } from '../../../src/unikernel/guests/guest.ts';
import type { ImageConfig } from '../../../src/unikernel/oci/documents.ts';
import { type ImageFacts, planImport } from '../../../src/unikernel/oci/import-plan.ts';

const config: ImageConfig = {
  architecture: 'amd64',
  os: 'linux',
  osVersion: undefined,
  entrypoint: [],
  command: [],
  env: [],
  labels: {},
};

interface Parts {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly config?: Partial<ImageConfig>;
  readonly files?: readonly string[];
  readonly texts?: Readonly<Record<string, string>>;
}

function facts({ annotations = {}, config: changes = {}, files = [], texts = {} }: Parts): ImageFacts {
  return {
    annotations,
    config: { ...config, ...changes },
    files: { readText: (path) => texts[path], isFile: (path) => files.includes(path) },
  };
}

const own = { guest: 'raw', kernel: '/k', ports: ['80'] };
const urunc = { 'com.urunc.unikernel.unikernelType': 'linux', 'com.urunc.unikernel.binary': '/u' };

t.test('planImport() finds the unikernel of an image, whoever made it', async (t) => {
  t.match(planImport(facts({ annotations: { 'ucrun.guest': 'raw', 'ucrun.kernel': '/k', other: 'x' } })), {
    maker: 'ucrun',
    content: { guest: 'raw', kernel: '/k' },
  });
  t.match(planImport(facts({ texts: { '/ucrun.json': JSON.stringify(own) } })), {
    maker: 'ucrun',
    content: { ...own, ports: '80' },
  });
  for (const place of [
    { annotations: urunc },
    { config: { labels: urunc } },
    { texts: { '/urunc.json': JSON.stringify(urunc) } },
  ])
    t.match(planImport(facts(place)), { maker: 'urunc', content: { guest: 'linux', kernel: '/u' } });
});

t.test(
  'planImport() finds what kraft made',
  { skip: !(guestKinds as readonly string[]).includes('unikraft') && 'this ucrun has no Unikraft guests' },
  async (t) => {
    const found = planImport(
      facts({
        files: ['/unikraft/bin/kernel', '/unikraft/bin/initrd'],
        config: { os: 'qemu', osVersion: '0.17.0', command: ['-c', '/etc/x'], env: ['PATH=/bin', 'A=b'] },
      }),
    );
    t.match(found, {
      maker: 'kraft',
      content: {
        guest: 'unikraft',
        kernel: '/unikraft/bin/kernel',
        initrd: '/unikraft/bin/initrd',
        version: '0.17.0',
      },
      leftOut: [
        'its arguments are not kept; give them to the container: -c /etc/x',
        'its environment is not kept; give it to the container: A=b',
      ],
    });
  },
);

t.test('planImport() keeps the program of a Linux image for urunc', async (t) => {
  const words = { command: ['/bin/app', '-v'], env: ['A=b'] };
  const plan = (more: Readonly<Record<string, string>>) =>
    planImport(facts({ annotations: { ...urunc, ...more }, config: words }));
  t.match(plan({}), {
    content: { cmdline: 'rdinit=/bin/app' },
    leftOut: [/arguments .*: -v$/, /environment .*: A=b$/],
  });
  t.match(plan({ 'com.urunc.unikernel.block': '/root.ext4' }), { content: { cmdline: 'init=/bin/app' } });
});

t.test(
  'planImport() refuses an image without a unikernel, or one that only runs from its image',
  async (t) => {
    t.throws(() => planImport(facts({})), {
      code: 'OCI_IMAGE_INVALID',
      message: 'the image has no unikernel in it',
    });
    t.throws(
      () => planImport(facts({ annotations: { ...urunc, 'com.urunc.unikernel.mountRootfs': 'true' } })),
      {
        code: 'OCI_IMAGE_INVALID',
        message: "the unikernel's root file system is its whole image",
      },
    );
    t.throws(() => planImport(facts({ texts: { '/ucrun.json': '{' } })), {
      code: 'UNIKERNEL_INVALID',
      message: '"/ucrun.json" in the image is not JSON',
    });
    t.throws(
      () => planImport(facts({ texts: { '/ucrun.json': '{"guest":"raw","kernel":"/k","colour":1}' } })),
      {
        code: 'UNIKERNEL_INVALID',
        message: 'unknown key "colour" in /ucrun.json',
      },
    );
    const rumprun = {
      'com.urunc.unikernel.unikernelType': 'rumprun',
      'com.urunc.unikernel.hypervisor': 'hvt',
    };
    t.throws(() => planImport(facts({ config: { labels: rumprun } })), { code: 'GUEST_UNSUPPORTED' });
  },
);
