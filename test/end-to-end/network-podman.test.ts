/** The networks of podman, as root. */
import t from 'tap';
import { ask, makeNetwork, makeParent, networkRows, startServer } from './support/behaviour/network.ts';
import { type Row, runRows } from './support/behaviour/row.ts';
import { output } from './support/command.ts';
import { podmanEngine } from './support/engine.ts';
import { inspect, startGuest } from './support/engine-guests.ts';
import { firstAnswer } from './support/http.ts';
import { buildPlainImage, buildTrackerImage } from './support/images.ts';
import { type Outside, serveOutside } from './support/outside.ts';

let outside: Outside | undefined;
t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
  outside = await serveOutside();
});
t.after(() => outside?.stop());

const theOutside = () => {
  if (outside === undefined) throw new Error('no server was started');
  return outside;
};

/** What docker cannot be asked for here. */
const podmanRows: readonly Row[] = [
  {
    name: 'on a macvlan network a guest is a neighbour of the host',
    async run(t, engine) {
      await makeParent(t, 'nw-parent', '10.98.0.1/24');
      const options = ['--driver', 'macvlan', '--opt', 'parent=nw-parent', '--subnet', '10.98.0.0/24'];
      const joined = await makeNetwork(t, engine, 'nw-macvlan', ...options);
      await startGuest(t, engine, 'nw-own-mac', {
        service: 'hello',
        options: [...joined, '--ip', '10.98.0.7'],
      });
      t.match(await firstAnswer('http://10.98.0.7:8080/'), /"hello"/);
      const mac = await inspect(
        engine,
        'nw-own-mac',
        '{{(index .NetworkSettings.Networks "nw-macvlan").MacAddress}}',
      );
      t.match(
        await output('ip', ['neighbour', 'show', '10.98.0.7']),
        mac,
        "it has the interface's MAC address",
      );
    },
  },
  {
    name: 'a network of IPv6 alone',
    async run(t, engine) {
      const joined = await makeNetwork(t, engine, 'nw-six', '--subnet', 'fd00:66::/64');
      await startServer(t, engine, 'nw-plain-six', joined);
      await startGuest(t, engine, 'nw-linux-six', { service: 'linux', options: joined });
      const template = '{{(index .NetworkSettings.Networks "nw-six").GlobalIPv6Address}}';
      const address = await inspect(engine, 'nw-linux-six', template);
      t.match(await firstAnswer(`http://[${address}]:8080/`), /"address"/);
      t.match(await ask(engine, 'nw-plain-six', 'http://nw-linux-six:8080/'), /"address"/, 'also by name');
    },
  },
];

runRows([...networkRows(theOutside), ...podmanRows], 'podman', () => podmanEngine(''));
