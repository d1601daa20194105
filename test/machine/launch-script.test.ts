import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { maxHistoryLines } from '../../src/machine/history.ts';
import { renderMachineLaunch } from '../../src/machine/launch-script.ts';
import { renderWrapper } from '../../src/machine/wrapper-script.ts';
import { shells } from '../unikernel/support/shells.ts';

/** A directory of a machine with what stands in for QEMU: a shell script. */
function machineIn(t: Test, qemu: string) {
  const folder = t.testdir();
  const directory = join(folder, "q u'emu");
  mkdirSync(directory);
  const program = join(folder, 'qemu');
  writeFileSync(program, `#!/bin/sh\n${qemu}`);
  chmodSync(program, 0o755);
  return { folder, directory, program };
}

/** What QEMU does first: it opens its ends of the pipes, reads the commands, and says that the guest runs. */
const begins = `exec 3<>events.out 4<>events.in
read -r line <&4
echo "$line" >commands
echo '{"event": "RESUME"}' >&3
until [ -e ready ]; do sleep 0.02; done
`;

for (const [name, command] of shells()) {
  t.test(`the launch script becomes QEMU, ${name}`, async (t) => {
    const { folder, directory, program } = machineIn(
      t,
      `${begins}echo "$$ $2"\necho '{"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}}' >&3\nsleep 0.3\nexit 15`,
    );
    const script = join(folder, 'launch');
    writeFileSync(
      script,
      renderMachineLaunch({
        directory,
        qemu: program,
        args: ['-append', "it's $HOME"],
        awaitGuest: undefined,
        notifies: false,
      }),
    );
    const { status, stdout, pid } = spawnSync(command[0] ?? '', [...command.slice(1), script], {
      encoding: 'utf8',
    });
    t.equal(status, 15);
    t.equal(stdout, `${pid} it's $HOME\n`, 'the same process, the words as they are');
    t.match(readFileSync(join(directory, 'commands'), 'utf8'), 'qmp_capabilities');
    t.match(readFileSync(join(directory, 'last-events'), 'utf8'), 'guest-shutdown');
    t.equal(readFileSync(join(directory, 'exit'), 'utf8'), '.');
  });

  t.test(`the launch script waits for the guest beside reading events, ${name}`, async (t) => {
    const { folder, directory, program } = machineIn(
      t,
      `exec 3<>events.out 4<>events.in
read -r line <&4
echo '{"event": "RESUME"}' >&3
[ ! -e ready ] || exit 9
echo '{"event": "SHUTDOWN", "data": {"reason": "guest-panic"}}' >&3
until [ -s last-events ]; do sleep 0.02; done
: >answers
until [ -e ready ]; do sleep 0.02; done
exit 0`,
    );
    const script = join(folder, 'launch');
    const awaitGuest = ['sh', '-c', 'until [ -e answers ]; do sleep 0.02; done'];
    writeFileSync(
      script,
      renderMachineLaunch({ directory, qemu: program, args: [], awaitGuest, notifies: false }),
    );
    t.equal(spawnSync(command[0] ?? '', [...command.slice(1), script]).status, 0);
  });

  t.test(`the launch script keeps what tells of the state, ${name}`, async (t) => {
    const { folder, directory, program } = machineIn(
      t,
      `${begins}
tell() { printf '{"event": "%s"}\\n' "$1" >&3; }
answer() { read -r line <&4; echo "$line" >>asked; printf '{"return": {"status": "%s"}}\\n' "$1" >&3; }
tell STOP; answer paused; tell RESUME
tell STOP; tell RESUME; answer running
tell STOP; answer internal-error
until [ -s last-events ]; do sleep 0.02; done
cp history first
count=0
while [ "$count" -lt ${maxHistoryLines} ]; do tell RESUME; count=$((count + 1)); done
tell SHUTDOWN
until grep -q SHUTDOWN history; do sleep 0.02; done
exit 0`,
    );
    const script = join(folder, 'launch');
    writeFileSync(
      script,
      renderMachineLaunch({ directory, qemu: program, args: [], awaitGuest: undefined, notifies: false }),
    );
    // It is ended when its machine is stopped for an error.
    writeFileSync(program, `trap '' TERM\n${readFileSync(program, 'utf8')}`);
    const { status } = spawnSync(command[0] ?? '', [...command.slice(1), script]);
    t.equal(status, 0);
    const eventsIn = (file: string) =>
      [...readFileSync(join(directory, file), 'utf8').matchAll(/"event": "(\w+)"/g)].map(
        ([, event]) => event,
      );
    t.strictSame(eventsIn('first'), ['STOP', 'RESUME', 'STOP', 'RESUME'], 'a stop for an error is no pause');
    t.match(readFileSync(join(directory, 'asked'), 'utf8'), /^(\{"execute":"query-status"\}\n){3}$/);
    t.strictSame(eventsIn('history').slice(-2), ['RESUME', 'SHUTDOWN']);
    t.ok(eventsIn('history').length < maxHistoryLines, 'and begins anew before it is long');
  });

  t.test(`the wrapper keeps a log and hands the status on, ${name}`, async (t) => {
    const { folder } = machineIn(t, '');
    const run = join(folder, 'run');
    mkdirSync(run);
    writeFileSync(join(run, 'launch'), `echo one; printf 'two without an end'; exec sh -c 'exit 7'`);
    const files = { run, pid: join(run, 'pid'), launch: join(run, 'launch'), log: join(folder, 'log') };
    const script = join(folder, 'wrapper');
    writeFileSync(script, renderWrapper({ files, become: ['/usr/bin/env'], ended: ['/bin/echo', 'ended'] }));
    const { status, stdout, stderr } = spawnSync(command[0] ?? '', [...command.slice(1), script], {
      encoding: 'utf8',
    });
    t.equal(stderr, '');
    t.equal(status, 0);
    t.equal(stdout, 'ended 7\n');
    const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z';
    t.match(readFileSync(files.log, 'utf8'), new RegExp(`^${time} one\\n${time} two without an end\\n$`));
    t.match(readFileSync(files.pid, 'utf8'), /^\d+ \d+ \d+ \d+\n$/);
  });
}
