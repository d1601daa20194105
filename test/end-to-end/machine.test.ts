/** Machines without an engine and without systemd. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { run } from './support/command.ts';
import { registry, scratch, ucrun } from './support/environment.ts';
import { firstAnswer } from './support/http.ts';
import { type MachineHost, Machines } from './support/machine/subject.ts';
import { verbRows } from './support/machine/verbs.ts';

const host: MachineHost = {
  options: [],
  manager: 'ucrun',
  run: ([program = '', ...args], options) => run(program, args, options),
};
const machines = new Machines(host, ucrun);

/** Have a test's machines removed at its end, and check that nothing of them stays. */
function removeAtEnd(t: Test, ...names: readonly string[]): void {
  t.teardown(async () => {
    await machines.remove(...names);
    for (const name of names)
      for (const directory of ['/var/lib/ucrun/machines', '/run/ucrun/machines'])
        if (existsSync(join(directory, name))) throw new Error(`${directory}/${name} stays`);
  });
}

t.test('the verbs', { timeout: 600_000 }, async (t) => {
  for (const { name, what, check } of verbRows) {
    t.test(what, async (t) => {
      const machine = `v-${name}`;
      removeAtEnd(t, machine, `${machine}-2`);
      await check(t, machines, machine);
    });
  }
});

t.test('a machine of a kernel file is independent of it, and answers at its port', async (t) => {
  removeAtEnd(t, 'file');
  const folder = join(scratch, 'machine-file');
  await mkdir(folder);
  const hello = join(folder, 'hello.elf');
  await run('cp', [join(registry, 'hello/hello.elf'), hello]);
  const cmdline = 'name={hostname} ip={ipv4}/{ipv4_prefix} gw={ipv4_gateway} port={port}';
  const options = [
    '--cmdline',
    cmdline,
    '--memory',
    '32M',
    '--port',
    '127.0.0.1:18083:8080',
    '--hostname',
    'me',
  ];
  await machines.create('file', [...options, hello]);
  await run('rm', [hello]);
  await machines.do('start', 'file');
  t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18083/')), { name: 'me' });
  const { pid } = await machines.inspect('file');
  const { stdout } = await run('cat', [`/proc/${pid}/status`]);
  t.match(stdout, /^Uid:\t18790\d+\t/m, 'QEMU has a user of its own');
  t.match(stdout, /^CapEff:\t0+$/m, 'and may do nothing');
  t.match(stdout, /^CapBnd:\t0+$/m);
  t.match(stdout, /^NoNewPrivs:\t1$/m);
});

t.test('a kernel that only root may read is given to QEMU all the same', async (t) => {
  removeAtEnd(t, 'secret');
  await machines.create('secret', ['--network', 'none', join(registry, 'hello/hello.elf')]);
  const kernel = '/var/lib/ucrun/machines/secret/registry/unikernel/kernel';
  await run('chmod', ['0600', kernel]);
  await machines.do('start', 'secret');
  t.equal((await machines.inspect('secret')).status, 'running');
});

t.test('a unikernel that a machine is made of is not removed', async (t) => {
  removeAtEnd(t, 'made-of-it');
  const unikernel = 'machine-test';
  const image = (...args: readonly string[]) => run(ucrun, ['image', ...args]);
  t.teardown(() => image('rm', '--force', unikernel));
  t.match(await image('import', join(registry, 'hello/hello.elf'), unikernel), { status: 0 });
  await machines.create('made-of-it', [unikernel]);
  t.match(await image('rm', unikernel), {
    status: 1,
    stderr: /machine "made-of-it" is made of the unikernel/,
  });
  await machines.do('rm', 'made-of-it');
  t.match(await image('rm', unikernel), { status: 0 });
});

t.test('--ready-port waits until the guest answers', async (t) => {
  removeAtEnd(t, 'answers');
  await machines.create('answers', ['--port', '18084:8080', '--ready-port', '8080', 'hello']);
  await machines.do('start', 'answers');
  const response = await fetch('http://127.0.0.1:18084/', { signal: AbortSignal.timeout(60_000) });
  t.equal(response.status, 200, 'at the first try');
  const bad = await machines.run('create', '--name', 'x', '--ready-port', '99', 'hello');
  t.equal(bad.status, 0);
  t.match(await machines.run('start', 'x'), { status: 1, stderr: /has no TCP port 99 to wait for/ });
  await machines.remove('x');
});

t.test('a port that is taken is said before anything starts', async (t) => {
  removeAtEnd(t, 'first', 'second');
  for (const name of ['first', 'second']) await machines.create(name, ['--port', '18085:8080', 'hello']);
  await machines.do('start', 'first');
  t.match(await machines.run('start', 'second'), { status: 1, stderr: /port 18085\/tcp is taken/ });
  t.match(await machines.inspect('second'), { status: 'created' });
});

t.test('what only systemd can do is refused without it', async (t) => {
  const create = (...args: readonly string[]) => machines.run('create', '--name', 'no', ...args, 'hello');
  t.match(await create('--systemd'), { status: 1, stderr: /systemd does not run on this host/ });
  t.match(await create('--activate'), {
    status: 1,
    stderr: /option --activate is for machines that systemd keeps/,
  });
  t.match(await create('--after', 'x'), { status: 1 });
  t.match(await machines.run('inspect', 'no'), { status: 1 });
});

t.test('a volume is the guest’s, with the rights of its owner', async (t) => {
  removeAtEnd(t, 'volume');
  const data = join(scratch, 'machine-data');
  await mkdir(data);
  await writeFile(join(data, 'given'), 'by the host\n');
  await run('chown', ['-R', '4321', data]);
  const script = 'cat /data/given; echo by the guest >/data/made';
  const { status, stdout } = await machines.run(
    ...['run', '--name', 'volume', '--volume', `${data}:/data`, 'linux', '--', 'sh', '-c', script],
  );
  t.equal(status, 0);
  t.match(stdout, /^by the host$/m);
  t.match((await run('stat', ['-c', '%u', join(data, 'made')])).stdout, /^4321$/m);
});

t.test('ten machines at once', async (t) => {
  const names = Array.from({ length: 10 }, (_, index) => `many-${index}`);
  removeAtEnd(t, ...names);
  for (const name of names) await machines.create(name, ['--network', 'none', 'hello']);
  await machines.do('start', ...names);
  const listed = (await machines.do('ps', '--quiet', '--no-engines', '--filter', 'name=many-')).split('\n');
  t.strictSame(listed, names);
  t.match(await machines.do('stop', ...names), /^many-9$/m);
  await machines.do('rm', ...names);
  t.notOk(existsSync('/run/ucrun/machines'), 'nothing is left that is there only while machines run');
  t.strictSame(
    readdirSync('/var/lib/ucrun/machines').filter((name) => name.includes('many-')),
    [],
  );
});
