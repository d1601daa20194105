import type { Test } from 'tap';
import { output } from '../command.ts';
import { type Engine, outputOf } from '../engine.ts';
import { guestArgs, inspect, logOf, startGuest, waitForReady } from '../engine-guests.ts';
import { firstAnswer, get } from '../http.ts';
import { plainImage } from '../images.ts';
import { type Outside, outsideAddress, sampleBytes, sha256 } from '../outside.ts';
import { waitFor } from '../wait.ts';
import { type Row, shell } from './row.ts';

/** What a guest has of the engine's networks. Of the rows that engines share, each has networks and ports of its own. */
export function networkRows(outside: () => Outside): readonly Row[] {
  return [
    {
      name: 'a unikernel and a plain container of a network know each other by name',
      async run(t, engine) {
        const joined = await makeNetwork(t, engine, 'nw-names');
        await startServer(t, engine, 'nw-plain', [...joined, '--network-alias', 'nw-alias']);
        await startGuest(t, engine, 'nw-hello', { service: 'hello', options: joined });
        t.match(await ask(engine, 'nw-plain', 'http://nw-hello:8080/'), /"hello"/);
        const urls = [
          'nw-plain/group',
          'nw-alias/group',
          'nw-hello:8080',
          `${hostOf(engine)}:${outside().port}/bytes/7`,
        ];
        const script = urls.map((url) => `wget -q -O - http://${url} | wc -c`).join('; ');
        const counts = (await linux(engine, joined, script)).trim().split(/\s+/).map(Number);
        t.equal(counts[0], 23);
        t.equal(counts[1], 23);
        t.ok((counts[2] ?? 0) > 50, 'another unikernel');
        t.equal(counts[3], 7, 'and what is outside');
      },
    },
    {
      name: 'a Linux guest knows the names of --add-host',
      async run(t, engine) {
        const joined = await makeNetwork(t, engine, 'nw-hosts');
        await startServer(t, engine, 'nw-added', joined);
        const address = await addressIn(engine, 'nw-added', 'nw-hosts');
        const added = ['--add-host', `db.example:${address}`, '--add-host', 'six:2001:db8::1'];
        const script = 'wget -q -O - http://db.example/group | wc -c; cat /etc/hosts; env | grep -c UCRUN_';
        const shown = await linux(engine, [...joined, ...added, '--hostname', 'own'], script);
        t.match(shown, /^23\r?\n/);
        t.match(shown, new RegExp(`^${address.replaceAll('.', '\\.')} db\\.example\r?$`, 'm'));
        t.match(shown, /^2001:db8::1 six\r?$/m);
        t.match(shown, /^127\.0\.0\.1 localhost\r?$/m, 'beside the usual ones');
        t.equal([...shown.matchAll(/\bown\b/g)].length, 1, 'and its own, which it was not told twice');
        t.match(shown, /^0\r?$/m, "the program does not see init's variables");
      },
    },
    {
      name: 'a port that is published on one address is reached there alone',
      async run(t, engine) {
        const { here, elsewhere } =
          engine.name === 'podman'
            ? { here: '127.0.0.1', elsewhere: outsideAddress.ipv4 }
            : { here: engine.address, elsewhere: bridgeOf(engine) };
        const options = ['--publish', `${here}:18400:8080`];
        await startGuest(t, engine, 'nw-address', { service: 'hello', options });
        t.match(await firstAnswer(`http://${here}:18400/`), /"hello"/);
        await t.rejects(get(`http://${elsewhere}:18400/`, 2));
      },
    },
    {
      name: 'on an internal network a guest reaches its neighbours, and nobody outside',
      async run(t, engine) {
        const joined = await makeNetwork(t, engine, 'nw-internal', '--internal');
        await startServer(t, engine, 'nw-inner', joined);
        await startGuest(t, engine, 'nw-reached', { service: 'hello', options: joined });
        const inner = await addressIn(engine, 'nw-inner', 'nw-internal');
        const reached = await addressIn(engine, 'nw-reached', 'nw-internal');
        t.match(await ask(engine, 'nw-inner', `http://${reached}:8080/`), /"hello"/);
        const script = [
          `wget -q -O - http://${inner}/group | wc -c`,
          `timeout 5 wget -q -O - http://${hostOf(engine)}:${outside().port}/bytes/7 | wc -c`,
        ].join('; ');
        t.strictSame((await linux(engine, joined, script)).match(/^\d+$/gm), ['23', '0']);
      },
    },
    ...[1280, 9000].map(
      (mtu): Row => ({
        name: `a network with an MTU of ${mtu} has it in the guest, both ways`,
        async run(t, engine) {
          const option = engine.name === 'podman' ? `mtu=${mtu}` : `com.docker.network.driver.mtu=${mtu}`;
          const joined = await makeNetwork(t, engine, `nw-mtu-${mtu}`, '--opt', option);
          const url = `http://${hostOf(engine)}:${outside().port}`;
          const script = [
            'cat /sys/class/net/eth0/mtu',
            `wget -q -O /tmp/x ${url}/bytes/2000000; sha256sum </tmp/x`,
            `wget -q -O - --post-file=/tmp/x ${url}/sum`,
          ].join('; ');
          const sum = sha256(sampleBytes(2_000_000));
          const shown = await linux(engine, joined, script);
          // docker's networks of one's own have the user stack, which has no other MTU than its own.
          t.match(shown, engine.name === 'podman' ? new RegExp(`^${mtu}\r?\n`) : /^1500\r?\n/);
          t.match(shown, new RegExp(`${sum}  -\r?\n2000000 ${sum}`));
        },
      }),
    ),
    {
      name: 'a container that comes back with another address is reached there',
      async run(t, engine) {
        const joined = await makeNetwork(t, engine, 'nw-moving');
        await startGuest(t, engine, 'nw-moved', { service: 'hello', options: joined });
        const before = await addressIn(engine, 'nw-moved', 'nw-moving');
        await outputOf(engine, ['stop', 'nw-moved']);
        // Who comes in between gets the address that is free.
        await startServer(t, engine, 'nw-between', joined);
        await outputOf(engine, ['start', 'nw-moved']);
        await waitForReady(engine, 'nw-moved', 2);
        const after = await addressIn(engine, 'nw-moved', 'nw-moving');
        t.not(after, before);
        t.match(await ask(engine, 'nw-between', `http://${after}:8080/`), /"hello"/);
        t.match(await ask(engine, 'nw-between', 'http://nw-moved:8080/'), /"hello"/, 'and by name');
      },
    },
    {
      name: "a network that is attached to a running container is a tap guest's from its next start",
      without: { docker: "on docker's own networks the guest has the user stack, see the next row" },
      async run(t, engine) {
        const joined = await makeNetwork(t, engine, 'nw-first');
        await makeNetwork(t, engine, 'nw-second');
        const url = async (network: string) =>
          `http://${await addressIn(engine, 'nw-joining', network)}:8080/`;
        await startGuest(t, engine, 'nw-joining', { service: 'linux', options: joined });
        await outputOf(engine, ['network', 'connect', 'nw-second', 'nw-joining']);
        t.match(await firstAnswer(await url('nw-first')), /"address"/, 'it goes on as it was');

        await outputOf(engine, ['restart', 'nw-joining']);
        await waitForReady(engine, 'nw-joining', 2);
        for (const network of ['nw-first', 'nw-second'])
          t.match(await firstAnswer(await url(network)), /"address"/, network);
        await outputOf(engine, ['network', 'disconnect', 'nw-second', 'nw-joining']);
        t.match(
          await firstAnswer(await url('nw-first')),
          /"address"/,
          'one that is detached takes nothing from the other',
        );
      },
    },
    {
      name: 'behind the user stack a network that is attached is there at once',
      without: { podman: 'there the guest has a tap, see the row before' },
      async run(t, engine) {
        const joined = await makeNetwork(t, engine, 'nw-one');
        const other = await makeNetwork(t, engine, 'nw-other');
        await startServer(t, engine, 'nw-neighbour', other);
        await startGuest(t, engine, 'nw-roaming', { service: 'hello', options: joined });
        t.match(await logOf(engine, 'nw-roaming'), /name server 127\.0\.0\.11 is inside/);
        await outputOf(engine, ['network', 'connect', 'nw-other', 'nw-roaming']);
        t.match(await ask(engine, 'nw-neighbour', 'http://nw-roaming:8080/'), /"hello"/);
        await outputOf(engine, ['network', 'disconnect', 'nw-other', 'nw-roaming']);
        await waitFor('it to be unknown there', async () => {
          const args = ['exec', 'nw-neighbour', 'wget', '-q', '-O', '-', 'http://nw-roaming:8080/'];
          return (await engine.call(args)).status !== 0;
        });
      },
    },
  ];
}

/** Make a network for the time of a test. @returns the options by which a container joins it */
export async function makeNetwork(
  t: Test,
  engine: Engine,
  name: string,
  ...options: readonly string[]
): Promise<readonly string[]> {
  await outputOf(engine, ['network', 'create', ...options, name]);
  t.teardown(() => outputOf(engine, ['network', 'rm', name]));
  return ['--network', name];
}

/** Start a plain container that serves its /etc at port 80. */
export async function startServer(
  t: Test,
  engine: Engine,
  name: string,
  options: readonly string[],
): Promise<void> {
  t.teardown(() => engine.remove(name));
  const serve = ['httpd', '-f', '-p', '80', '-h', '/etc'];
  await outputOf(engine, ['run', '--detach', '--name', name, ...options, plainImage, ...serve]);
}

/** What a plain container is answered; it asks again as long as nobody is there yet. */
export function ask(engine: Engine, container: string, url: string): Promise<string> {
  return waitFor(
    `${container} to be answered by ${url}`,
    () => outputOf(engine, ['exec', container, 'wget', '-q', '-O', '-', url]),
    60,
  );
}

/** Run a shell script in a Linux guest. @returns what it printed */
export async function linux(engine: Engine, options: readonly string[], script: string): Promise<string> {
  const guest = { service: 'linux', options: ['--rm', ...options], args: shell(script) } as const;
  const { stdout, stderr } = await engine.call(['run', ...guestArgs(engine, 'nw-linux', guest)]);
  return stdout + stderr;
}

export function addressIn(engine: Engine, name: string, network: string): Promise<string> {
  return inspect(engine, name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);
}

/** Where the test itself is, as seen by containers. */
export function hostOf({ name, address }: Engine): string {
  return name === 'podman' ? outsideAddress.ipv4 : address.replace(/\d+$/, '1');
}

/** docker's end of its usual bridge. */
function bridgeOf({ address }: Engine): string {
  return address.replace('172.30.', '172.31.').replace(/\d+$/, '1');
}

/** Interfaces in the test's own network, gone at the end of the test. */
export async function makeParent(t: Test, name: string, address: string): Promise<void> {
  await output('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-peer`]);
  t.teardown(() => output('ip', ['link', 'delete', name]));
  await output('ip', ['address', 'add', address, 'dev', `${name}-peer`]);
  for (const device of [name, `${name}-peer`]) await output('ip', ['link', 'set', device, 'up']);
}
