/** `ucrun doctor`: what it says of this environment is so, and what it removes was nobody's. */
import { existsSync, symlinkSync } from 'node:fs';
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { run } from './support/command.ts';
import { scratch, ucrun } from './support/environment.ts';
import { startGuest } from './support/guests.ts';
import { buildTrackerImage } from './support/images.ts';
import { inspect } from './support/podman.ts';
import { noRootless, startRootless } from './support/rootless.ts';

interface Report {
  readonly status: string;
  readonly checks: readonly { what: string; status: string; found: string; remedy?: string }[];
}

t.before(() => buildTrackerImage());

const report = async (env: Readonly<Record<string, string>> = {}, ...options: readonly string[]) => {
  const { status, stdout, stderr } = await run(ucrun, ['doctor', '--json', ...options], { env });
  t.equal(stderr, '');
  const found = JSON.parse(stdout) as Report;
  return { exit: status, found, of: (what: string) => found.checks.filter((check) => check.what === what) };
};

t.test('a host that runs unikernels is told to, each line that is not green with what to do', async (t) => {
  const { exit, found, of } = await report();
  t.equal(exit, 0);
  t.not(found.status, 'problem');
  for (const what of [
    'ucrun',
    'passt',
    'crun',
    'QEMU',
    'QEMU machines',
    'network tools',
    'kernel modules',
    'cgroups',
    'registry',
  ])
    t.equal(of(what).length, 1, what);
  t.match(of('podman'), [{ status: 'ok', found: `has ucrun at ${ucrun}` }]);
  for (const { what, status, remedy } of found.checks) t.equal(remedy === undefined, status === 'ok', what);

  const { status, stdout } = await run(ucrun, ['doctor']);
  t.equal(status, 0);
  t.match(stdout, /^ok +ucrun +\d/m);
  t.match(stdout, /\nunikernels can run/);
});

t.test('what keeps unikernels from running is a problem, and the status 1', async (t) => {
  const file = join(scratch, 'doctor.toml');
  await writeFile(
    file,
    `[vmm]\nqemu = "/no/qemu"\npasst = "/no/passt"\n[network]\nmode = "passt"\n[machine]\nmemroy = "1MiB"\n`,
  );
  const { exit, of } = await report({ UCRUN_CONFIG: file });
  t.equal(exit, 1);
  t.match(of('QEMU'), [{ status: 'problem', found: /\/no\/qemu/, remedy: /qemu/ }]);
  t.match(of('passt'), [{ status: 'problem', found: /\/no\/passt/, remedy: /passt/ }]);
  t.match(of('configuration'), [{ status: 'problem', found: /memroy/ }]);
  await rm(file);
});

t.test('--fix removes what is left of containers that are gone, and nothing of one that runs', async (t) => {
  await startGuest(t, 'doctored', { service: 'hello', options: ['--network', 'none'] });
  const id = await inspect('doctored', '{{.Id}}');
  const stale = join('/run/ucrun', 'run-crun:gone-0815');
  await mkdir(stale);
  const link = '/run/ucrun/uid-4000000000';
  symlinkSync('/run/ucrun/run-crun:gone-4711', link);
  t.teardown(() => rm(stale, { recursive: true, force: true }));
  t.teardown(() => rm(link, { force: true }));
  // Its age is that of its last change, which nobody can set.
  await utimes(stale, 0, 0);
  const young = await report();
  t.match(young.of('stale state'), [{ status: 'warning', found: `the user id ${link}` }]);
  const fixed = await report({}, '--fix');
  t.match(fixed.of('stale state'), [{ status: 'ok', found: `removed the user id ${link}` }]);
  t.notOk(existsSync(link));
  t.ok(existsSync(stale), 'one that may be in the making stays');
  t.ok(existsSync(`/run/ucrun/run-crun:${id}/record.json`));
  t.equal(await inspect('doctored', '{{.State.Status}}'), 'running');
});

t.test('a user is told what he lacks', { skip: noRootless }, async (t) => {
  const user = await startRootless(8);
  t.teardown(() => user.stop());
  const runtime = join(scratch, 'ucrun-user-8/bin/ucrun');
  const { stdout } = await user.runAs(runtime, ['doctor', '--json']);
  const { checks } = JSON.parse(stdout) as Report;
  const of = (what: string) => checks.filter((check) => check.what === what);
  t.match(of('XDG_RUNTIME_DIR'), [{ status: 'ok', found: `/run/user/${user.uid}` }]);
  t.match(of('subuid'), [{ status: 'ok', found: /ids from/ }]);
  t.match(of('rootless network'), [{ status: 'ok' }]);
  t.match(of('podman'), [{ status: 'ok' }]);
  t.match(of('machines'), [{ status: 'ok', found: 'none' }]);
  const machine = join(user.env.HOME ?? '', '.local/share/ucrun/machines/torn');
  await user.runAs('sh', ['-c', 'mkdir -p "$0" && echo "{" >"$0/machine.json"', machine]);
  const told = (await user.runAs(runtime, ['doctor'])).stdout;
  t.match(told, /^warning +machine torn +.*machine\.json.*\n +→ ucrun machine rm --force torn$/m);
  t.match(await user.runAs(runtime, ['machine', 'rm', '--force', 'torn']), { status: 0, stderr: '' });
  t.match((await user.runAs(runtime, ['doctor'])).stdout, /^ok +machines +none$/m);
  const bare = await user.runAs('env', ['-u', 'XDG_RUNTIME_DIR', runtime, 'doctor']);
  t.match(bare, { status: 1, stdout: /^PROBLEM +XDG_RUNTIME_DIR +not set\n.*→ log in /m, stderr: '' });
});
