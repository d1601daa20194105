import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { probeGuestElf } from '../../src/unikernel/probe-guest.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A registry with one unikernel that is whole and one that is not, and a ucrun that uses it. */
function setting(t: Test) {
  const folder = t.testdir({ registry: {} });
  const registry = join(folder, 'registry');
  const add = (name: string, definition: object) => {
    mkdirSync(join(registry, name));
    writeFileSync(join(registry, name, 'unikernel.json'), JSON.stringify(definition));
  };
  add('good', { guest: 'raw', kernel: 'kernel.elf', memory: '16MiB', ports: ['8080', '53/udp'] });
  add('odd', { guest: 'tower', kernel: 'kernel.elf' });
  writeFileSync(join(registry, 'good/kernel.elf'), probeGuestElf());
  const config = join(folder, 'config.toml');
  writeFileSync(config, `registries = ["${registry}"]\ncrun = "/nowhere/crun"\nvmm.qemu = "/nowhere/qemu"\n`);
  const run = async (...args: readonly string[]): Promise<Ended> => {
    const child = spawn(process.execPath, [main, ...args], {
      env: { UCRUN_CONFIG: config },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    return { status, stdout, stderr };
  };
  return { folder, registry, run };
}

t.test('the help is the same however it is asked for', async (t) => {
  const { run } = setting(t);
  const help = await run();
  t.match(help, { status: 0, stdout: /^ucrun \[OPTIONS\] COMMAND\n/, stderr: '' });
  const same = async (expected: Ended, forms: readonly (readonly string[])[]) =>
    await Promise.all(forms.map(async (form) => t.strictSame(await run(...form), expected, form.join(' '))));
  await same(help, [
    ['--help'],
    ['-h'],
    ['-?'],
    ['help'],
    ['help', '--help'],
    ['help', 'help'],
    ['--help', 'create'],
  ]);
  t.match(help.stdout, /^ {2}ucrun kill <id> \[signal\] {3}send a signal/m);
  t.match(help.stdout, /^ {2}ucrun image {2,}list, make, move and remove/m);
  const ofImage = await run('image', '--help');
  t.match(ofImage, { status: 0, stdout: /ucrun image inspect <what>/, stderr: '' });
  await same(ofImage, [
    ['image', '-h'],
    ['help', 'image'],
  ]);
});

t.test('--version says what there is, and what is missing', async (t) => {
  const { run } = setting(t);
  const version = await run('--version');
  t.match(version, { status: 0, stderr: '' });
  t.match(version.stdout, /^ucrun version \S+\ncommit: \S+\n/);
  t.match(version.stdout, /^crun: crun is missing: the configuration says "\/nowhere\/crun"$/m);
  t.match(version.stdout, /^qemu: QEMU is missing: the configuration says "\/nowhere\/qemu"$/m);
  for (const form of ['-v', '-V']) t.strictSame(await run(form), version, form);
});

t.test('help VERB is crun’s help of that verb', async (t) => {
  const { folder, run } = setting(t);
  const crun = join(folder, 'crun');
  writeFileSync(crun, '#!/bin/sh\necho "crun: $*"\nexit 3\n', { mode: 0o755 });
  writeFileSync(join(folder, 'config.toml'), `crun = "${crun}"`);
  t.strictSame(await run('--root', '/r', 'help', 'create'), {
    status: 3,
    stdout: 'crun: --root /r create --help\n',
    stderr: '',
  });
});

t.test('the script that completion prints gets its words', async (t) => {
  const { run } = setting(t);
  t.match(await run('completion'), { status: 0, stdout: /ucrun --get-yargs-completions/ });
  const words = async (...typed: readonly string[]) =>
    (await run('--get-yargs-completions', 'ucrun', ...typed)).stdout.split('\n');
  t.ok((await words('st')).includes('state'));
  t.ok((await words('image', '')).includes('inspect'));
});

t.test('help and versions do not need a right configuration, the registry does', async (t) => {
  const { folder, run } = setting(t);
  writeFileSync(join(folder, 'config.toml'), '<html>');
  for (const args of [['--help'], ['--version'], ['completion']])
    t.match(await run(...args), { status: 0, stderr: '' }, args.join(' '));
  t.match(await run('image', 'ls'), { status: 1, stdout: '', stderr: /is no valid TOML: line 1, / });
});

t.test('a command line that cannot be meant is refused with a remedy', async (t) => {
  const { run } = setting(t);
  const hint = 'hint: ucrun --help lists the commands';
  const imageHint = 'hint: ucrun image --help lists its commands';
  const cases: readonly [args: readonly string[], stderr: string][] = [
    [['--unknown'], `ucrun: no command in "--unknown"\n${hint}\n`],
    [['bogus'], `ucrun: unknown command "bogus"\n${hint}\n`],
    [['help', 'bogus'], `ucrun: unknown command "bogus"\n${hint}\n`],
    [['--root', '/r', 'killl', 'id'], 'ucrun: unknown command "killl"\nhint: did you mean "kill"?\n'],
    [['help', 'imgae'], 'ucrun: unknown command "imgae"\nhint: did you mean "image"?\n'],
    [['help', 'prepare'], `ucrun: unknown command "prepare"\n${hint}\n`],
    [['image'], `ucrun: image needs a command, such as ls\n${imageHint}\n`],
    [['image', 'lss'], 'ucrun: unknown command "image lss"\nhint: did you mean "image ls"?\n'],
    [['image', 'Paint'], `ucrun: unknown command "image Paint"\n${imageHint}\n`],
    [['image', 'ls', 'more'], `ucrun: unexpected argument "more"\n${imageHint}\n`],
    [
      ['image', 'ls', '--jsno=1'],
      'ucrun: unknown option "--jsno=1"\nhint: ucrun image ls --help lists its options\n',
    ],
    [
      ['--log-format', 'xml', 'image', 'ls'],
      `ucrun: option --log-format is "xml", not one of "text", "json"\n${imageHint}\n`,
    ],
    [
      ['image', 'inspect'],
      'ucrun: image inspect needs the name of a unikernel, or a file\nhint: ucrun image inspect --help shows how it is used\n',
    ],
  ];
  await Promise.all(
    cases.map(async ([args, stderr]) =>
      t.strictSame(await run(...args), { status: 1, stdout: '', stderr }, args.join(' ')),
    ),
  );
});
