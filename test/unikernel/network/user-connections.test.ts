import t from 'tap';
import { hasAccepted, userStackConnections } from '../../../src/unikernel/network/user-connections.ts';

const heading = [
  'Hub -1 (net0):',
  '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
  '  TCP[HOST_FORWARD]  14               *  8090       10.0.2.15  8080     0     0',
];
const table = (...lines: readonly string[]) => [...heading, ...lines, ''].join('\r\n');
const line = (state: string, port = 8080) =>
  `  TCP[${state}]   15       127.0.0.1  8090       10.0.2.15  ${port}     0     0`;

t.test("userStackConnections() reads QEMU's table", async (t) => {
  const text = table(
    line('ESTABLISHED'),
    line('SYN_SENT', 81),
    '  UDP[HOST_FORWARD]  13               *    53       10.0.2.15    53     0     0',
  );
  t.strictSame(userStackConnections(text), [
    { state: 'HOST_FORWARD', guestPort: 8080 },
    { state: 'ESTABLISHED', guestPort: 8080 },
    { state: 'SYN_SENT', guestPort: 81 },
  ]);
  for (const noTable of ['', 'unknown command', 'TCP[', line('ESTABLISHED').slice(0, 30)])
    t.strictSame(userStackConnections(noTable), []);
});

t.test('hasAccepted() wants a connection of this port, and none that waits', async (t) => {
  const cases: readonly [lines: readonly string[], accepted: boolean][] = [
    [[], false],
    [[line('ESTABLISHED')], true],
    [[line('ESTABLISHED', 81)], false],
    [[line('SYN_SENT')], false],
    [[line('ESTABLISHED'), line('SYN_SENT')], false],
    [[line('ESTABLISHED'), line('SYN_SENT', 81)], true],
    [[line('CLOSE_WAIT')], false],
  ];
  for (const [lines, accepted] of cases)
    t.equal(hasAccepted(userStackConnections(table(...lines)), 8080), accepted, lines.join('\n'));
});
