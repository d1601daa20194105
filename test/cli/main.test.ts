import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { probeGuestElf } from '../../src/unikernel/probe-guest.ts';
import { elfFile, note, words } from '../unikernel/support/elf.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

interface Ended {
  readonly pid: number | undefined;
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A ucrun whose crun is a script that writes down how it was called. */
class Setting {
  readonly folder: string;
  readonly #calls: string;

  constructor(t: Test, crun = 'exit 0') {
    this.folder = t.testdir({ state: {}, registry: {}, bundle: { rootfs: {} } });
    this.#calls = join(this.folder, 'calls');
    const script = [
      '#!/bin/sh',
      `case $1 in --version) echo 'crun version 1.8.1'; exit 0 ;; esac`,
      `{ printf '%s\\0' $$ "$@"; } >>'${this.#calls}'`,
      crun,
      '',
    ];
    writeFileSync(join(this.folder, 'crun'), script.join('\n'), { mode: 0o755 });
    writeFileSync(
      join(this.folder, 'config.toml'),
      `crun = "${this.folder}/crun"
state_dir = "${this.folder}/state"
registries = ["${this.folder}/registry"]
vmm.qemu = "/bin/true"
vmm.accelerator = "tcg"
`,
    );
  }

  /** The arguments of crun's only call, and the pid it had; undefined if it was not called. */
  get call(): { readonly pid: number; readonly args: readonly string[] } | undefined {
    if (!existsSync(this.#calls)) return undefined;
    const [pid, ...args] = readFileSync(this.#calls, 'utf8').split('\0').slice(0, -1);
    return { pid: Number(pid), args };
  }

  /** What ucrun keeps, sorted. */
  get state(): readonly string[] {
    return readdirSync(join(this.folder, 'state')).sort();
  }

  addUnikernel(name: string, definition: object): void {
    const folder = join(this.folder, 'registry', name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'unikernel.json'), JSON.stringify(definition));
    writeFileSync(join(folder, 'kernel.elf'), probeGuestElf());
  }

  writeBundle(config: unknown): string {
    const bundle = join(this.folder, 'bundle');
    writeFileSync(join(bundle, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
    return bundle;
  }

  async run(
    args: readonly string[],
    stdio: readonly number[] = [],
    env: NodeJS.ProcessEnv = {},
    stdin: number | 'ignore' = 'ignore',
  ): Promise<Ended> {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: this.folder,
      env: { UCRUN_CONFIG: join(this.folder, 'config.toml'), ...env },
      stdio: [stdin, 'pipe', 'pipe', ...stdio],
    });
    const texts = ['', ''];
    for (const [index, stream] of [child.stdout, child.stderr].entries()) {
      stream?.setEncoding('utf8').on('data', (text) => {
        texts[index] += text;
      });
    }
    const [status] = (await once(child, 'close')) as [number | null];
    return { pid: child.pid, status, stdout: texts[0] ?? '', stderr: texts[1] ?? '' };
  }
}

const plain = { ociVersion: '1.0.2', process: { args: ['sh'] }, root: { path: 'rootfs' } };
const withEnv = (...env: readonly string[]) => ({ ...plain, process: { args: ['/tracker', 'word'], env } });

t.test('what is not about a unikernel becomes crun, word for word', async (t) => {
  const cases: readonly (readonly string[])[] = [
    ['state', 'unknown'],
    ['--root', '/a b', 'kill', 'unknown', 'KILL'],
    ['--root=/r', '--systemd-cgroup', 'delete', '--force', 'unknown'],
    ['--unknown', 'x', 'list', '--format=json', ''],
    ['exec', '-t', 'unknown', 'sh', '-c', 'echo "$0"; exit 3', '--help'],
    ['pause', 'a/b'],
    ['create', '--help'],
    ['create', '--bundle', 'bundle', 'id'],
    ['run', '-b', 'bundle', '--detach', 'id'],
  ];
  await Promise.all(
    cases.map((args, index) =>
      t.test(`${index}: ${args.join(' ')}`, async (t) => {
        const setting = new Setting(t, 'echo out; echo err >&2; exit 42');
        setting.writeBundle(plain);
        const ended = await setting.run(args);
        t.match(ended, { status: 42, stdout: 'out\n', stderr: 'err\n' });
        t.strictSame(setting.call?.args, args);
        t.equal(setting.call?.pid, ended.pid, 'it is the same process');
        t.strictSame(readdirSync(join(setting.folder, 'state')), [], 'nothing is kept');
      }),
    ),
  );
});

t.test('descriptors that an engine hands down reach crun', async (t) => {
  const setting = new Setting(t, 'cat <&3; cat <&4; exit 7');
  setting.writeBundle(plain);
  for (const name of ['three', 'four']) writeFileSync(join(setting.folder, name), name);
  const open = () => ['three', 'four'].map((name) => openSync(join(setting.folder, name), 'r'));
  const args = ['create', '--preserve-fds', '2', '--bundle', 'bundle', 'id'];
  t.match(await setting.run(args, open()), { status: 7, stdout: 'threefour' });
  const listening = ['create', '--bundle', 'bundle', 'id'];
  t.match(await setting.run(listening, open(), { LISTEN_FDS: '2' }), { status: 7, stdout: 'threefour' });
});

t.test('a bundle that is too new for this crun is refused with the reason', async (t) => {
  const setting = new Setting(t);
  setting.writeBundle({ ...plain, ociVersion: '1.2.0' });
  t.match(await setting.run(['create', '--bundle', 'bundle', 'id']), {
    status: 1,
    stdout: '',
    stderr:
      /^ucrun: crun 1\.8\.1 at ".*\/crun" is too old for a container of specification version 1\.2\.0\nhint: /,
  });
  t.equal(setting.call, undefined);
});

/** A unikernel for the tender solo5-hvt. @see Solo5/solo5 include/elf_abi.h */
const solo5Hvt = elfFile({ notes: [note('Solo5', 0x31494241, words(1, 1, 0, 0))] });

t.test('what is wrong with a create is said before crun is asked, and leaves nothing', async (t) => {
  const good = { guest: 'raw', kernel: 'kernel.elf' };
  const cases: readonly [what: string, bundle: unknown, args: readonly string[], code: string][] = [
    ['no JSON', '{', [], 'SPEC_INVALID'],
    ['a wrong type', { ...plain, process: { env: 'x' } }, [], 'SPEC_INVALID'],
    ['no bundle', plain, ['--bundle', 'nowhere'], 'BUNDLE_MISSING'],
    ['no such unikernel', withEnv('SERVICE_NAME=nothing'), [], 'UNIKERNEL_UNKNOWN'],
    ['a name that leaves the registry', withEnv('SERVICE_NAME=../registry/good'), [], 'UNIKERNEL_INVALID'],
    ['a broken definition', withEnv('SERVICE_NAME=broken'), [], 'UNIKERNEL_INVALID'],
    ['a kernel that is none', withEnv('SERVICE_NAME=text'), [], 'KERNEL_INVALID'],
    ['a kernel for another monitor than QEMU', withEnv('SERVICE_NAME=tender'), [], 'KERNEL_INVALID'],
    ['a kernel that is missing', withEnv('SERVICE_NAME=lost'), [], 'KERNEL_MISSING'],
    ['no port', withEnv('SERVICE_NAME=good', 'PORT=http'), [], 'PORT_INVALID'],
    [
      'an unknown annotation',
      { ...withEnv('SERVICE_NAME=good'), annotations: { 'ucrun.x': '' } },
      [],
      'UNIKERNEL_INVALID',
    ],
    [
      'a contradiction',
      { ...withEnv('SERVICE_NAME=good'), annotations: { 'ucrun.initrd': '/i' } },
      [],
      'UNIKERNEL_INVALID',
    ],
    [
      'a volume',
      { ...withEnv('SERVICE_NAME=good'), mounts: [{ destination: '/d', type: 'bind', source: '/s' }] },
      [],
      'VOLUME_UNSUPPORTED',
    ],
    ['descriptors', withEnv('SERVICE_NAME=good'), ['--preserve-fds', '1'], 'USAGE'],
    [
      'too little memory',
      { ...withEnv('SERVICE_NAME=good'), linux: { resources: { memory: { limit: 1024 } } } },
      [],
      'MEMORY_INVALID',
    ],
  ];
  await Promise.all(
    cases.map(([what, bundle, args, code]) =>
      t.test(what, async (t) => {
        const setting = new Setting(t);
        setting.addUnikernel('good', good);
        setting.addUnikernel('broken', { ...good, memory: 5 });
        setting.addUnikernel('text', { ...good, kernel: 'unikernel.json' });
        setting.addUnikernel('tender', { ...good, kernel: 'tender.elf' });
        writeFileSync(join(setting.folder, 'registry/tender/tender.elf'), solo5Hvt);
        setting.addUnikernel('lost', { ...good, kernel: 'lost.elf' });
        setting.writeBundle(bundle);
        const log = join(setting.folder, 'log');
        const globals = ['--root', '/r', '--log', log, '--log-format', 'json'];
        const ended = await setting.run([...globals, 'create', '--bundle', 'bundle', ...args, 'id']);
        t.match(ended, { status: 1, stdout: '', stderr: /^ucrun: [^\n]+\n(?:hint: [^\n]+\n)?$/ });
        t.match(JSON.parse(readFileSync(log, 'utf8')), { level: 'error', code });
        if (what.includes('another monitor'))
          t.match(ended.stderr, /Solo5 target hvt; QEMU runs the target virtio/);
        t.equal(setting.call, undefined, 'crun was not asked');
        t.strictSame(setting.state, [], 'neither a container nor a user id is left');
      }),
    ),
  );
});

t.test('a mistake in the configuration stops new containers, and locks up none that exist', async (t) => {
  const setting = new Setting(t, `echo '{"status":"created"}'`);
  setting.addUnikernel('good', { guest: 'raw', kernel: 'kernel.elf' });
  setting.writeBundle(withEnv('SERVICE_NAME=good'));
  const config = join(setting.folder, 'config.toml');
  const right = readFileSync(config, 'utf8');
  const broken = [
    `log_file = "/proc"\n${right}`,
    `${right}colour = 1\n`,
    `${right}machine.cpus = "two"\n`,
    `${right}<html>\n`,
  ];
  const verbs: readonly (readonly string[])[] = [
    ['state', 'id'],
    ['kill', 'id', 'KILL'],
    ['--root', '/r', 'list'],
    ['delete', '--force', 'id'],
  ];
  for (const text of broken) {
    writeFileSync(config, right);
    t.match(await setting.run(['create', '--bundle', 'bundle', 'id']), { status: 0 });
    writeFileSync(config, text);
    for (const verb of ['create', 'run']) {
      const ended = await setting.run([verb, '--bundle', 'bundle', 'other']);
      t.match(ended, { status: 1, stdout: '', stderr: /config\.toml|the debug log "\/proc"/ }, verb);
    }
    t.ok(
      setting.state.some((name) => name.endsWith(':id')),
      'there is a container',
    );
    for (const args of verbs) t.match(await setting.run(args), { status: 0, stderr: '' }, args.join(' '));
    t.strictSame(setting.state, [], 'delete found its record');
    t.match(await setting.run(['--debug', 'list']), { stderr: /a part of the configuration is not used/ });
  }
});

t.test('SERVICE_NAME is a variable like any other where the configuration says so', async (t) => {
  const setting = new Setting(t, 'exit 42');
  appendFileSync(join(setting.folder, 'config.toml'), 'service_name = false\n');
  setting.writeBundle(withEnv('SERVICE_NAME=good'));
  const args = ['create', '--bundle', 'bundle', 'id'];
  t.match(await setting.run(args), { status: 42, stderr: '' });
  t.strictSame(setting.call?.args, args);
});

t.test('prepare says who calls it', async (t) => {
  const setting = new Setting(t);
  for (const [args, input, message] of [
    [[], '', '"prepare" names no directory'],
    [['/d'], '', '"prepare" has no state in JSON on its standard input'],
    [['/d'], '[]', '"prepare" has no pid in the state on its standard input'],
    [['/d'], '{"pid":"1"}', '"prepare" has no pid in the state on its standard input'],
  ] as const) {
    const stdin = join(setting.folder, 'stdin');
    writeFileSync(stdin, input);
    const ended = await setting.run(['prepare', ...args], [], {}, openSync(stdin, 'r'));
    const hint = 'crun calls it while "run" makes a container; it is not for people';
    t.strictSame([ended.status, ended.stderr], [1, `ucrun: ${message}\nhint: ${hint}\n`]);
  }
});

t.test('a unikernel is created by handing crun a bundle of our own', async (t) => {
  const setting = new Setting(t);
  setting.addUnikernel('good', { guest: 'raw', kernel: 'kernel.elf', ports: ['8080'] });
  const bundle = setting.writeBundle(withEnv('SERVICE_NAME=good', 'A=b'));
  const written = readFileSync(join(bundle, 'config.json'), 'utf8');
  const pidFile = join(setting.folder, 'pid');
  const args = ['--root', '/r', 'create', '--bundle', 'bundle', '--pid-file', pidFile, '--no-pivot', 'id'];
  t.match(await setting.run(args), { status: 0, stdout: '', stderr: '' });
  const directory = join(setting.folder, 'state/r:id');
  t.strictSame(setting.call?.args, [
    ...['--root', '/r', 'create', '--bundle', bundle, '--config', join(directory, 'config.json')],
    ...['--pid-file', pidFile, '--no-pivot', 'id'],
  ]);
  t.equal(readFileSync(join(bundle, 'config.json'), 'utf8'), written, "the engine's bundle is as it was");
  t.match(JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')), {
    process: { args: ['/bin/sh', '/ucrun/launch'] },
    root: { path: join(directory, 'rootfs'), readonly: true },
  });
  t.match(JSON.parse(readFileSync(join(directory, 'record.json'), 'utf8')), {
    id: 'id',
    bundle,
    guest: { args: ['word'], env: ['A=b'], port: 8080 },
    pidFile,
  });

  const again = await setting.run(args);
  t.match(again, { status: 1, stderr: /^ucrun: container "id" already exists\n/ });
  t.ok(existsSync(join(directory, 'record.json')), 'the first one is left alone');
});

t.test('a create that crun refuses is done anew by the next, and crun has the word', async (t) => {
  const setting = new Setting(t, 'echo "crun: no" >&2; exit 3');
  setting.addUnikernel('good', { guest: 'raw', kernel: 'kernel.elf' });
  setting.writeBundle(withEnv('SERVICE_NAME=good'));
  const log = join(setting.folder, 'log');
  const globals = ['--root', '/r', '--log', log, '--log-format', 'json'];
  for (const _ of [1, 2]) {
    const ended = await setting.run([...globals, 'create', '--bundle', 'bundle', 'id']);
    t.match(ended, { status: 3, stdout: '', stderr: 'crun: no\n' });
    t.notOk(existsSync(log), 'what crun wrote there is not followed by another line');
    t.match(setting.state, ['r:id', /^uid-\d+$/]);
  }
});
