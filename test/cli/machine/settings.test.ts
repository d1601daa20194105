import t from 'tap';
import {
  parseCpus,
  parseLabels,
  parseMemory,
  parsePublished,
  parseRestart,
  parseVolume,
  seconds,
  settingsFrom,
  variable,
} from '../../../src/cli/machine/settings.ts';
import { changesFrom } from '../../../src/cli/machine/update.ts';
import { settings } from '../../machine/support/records.ts';

t.test('parseMemory() takes the units that people write', async (t) => {
  for (const [text, size] of [
    ['64MiB', 64],
    ['64M', 64],
    ['64m', 64],
    ['64Mi', 64],
    ['1g', 1024],
    ['2GiB', 2048],
  ] as const)
    t.equal(parseMemory(text), size, text);
  for (const text of ['64', '0M', '-1M', 'x', '1.5G', '64K'])
    t.throws(() => parseMemory(text), { code: 'MEMORY_INVALID' }, text);
});

t.test('parsePublished() takes addresses and protocols', async (t) => {
  t.strictSame(parsePublished(['8080', '127.0.0.1:80:8080', '53:5353/udp,0.0.0.0:9:9']), [
    { host: 8080, guest: 8080, protocol: 'tcp' },
    { address: '127.0.0.1', host: 80, guest: 8080, protocol: 'tcp' },
    { host: 53, guest: 5353, protocol: 'udp' },
    { host: 9, guest: 9, protocol: 'tcp' },
  ]);
  t.strictSame(parsePublished(['127.0.0.1:80:1', '127.0.0.2:80:1']).length, 2, 'one port at two addresses');
  for (const texts of [
    ['x'],
    ['0'],
    ['70000'],
    ['256.0.0.1:1:1'],
    ['1:2:3'],
    ['80', '80'],
    ['1.2.3.4:80:1', '80'],
  ])
    t.throws(() => parsePublished(texts), { code: 'PORT_INVALID' }, texts.join(' '));
});

t.test('parseVolume() resolves, and wants its source to be there', async (t) => {
  const folder = t.testdir({ data: {} });
  t.strictSame(parseVolume(`${folder}/data:/data:ro`), {
    source: `${folder}/data`,
    destination: '/data',
    readOnly: true,
  });
  for (const text of [`${folder}/data`, `${folder}/data:data`, `${folder}/none:/x`, `${folder}/data:/x:no`])
    t.throws(() => parseVolume(text), { code: 'USAGE' }, text);
});

t.test('parseRestart()', async (t) => {
  t.strictSame(parseRestart('on-failure:3', '2s'), { policy: 'on-failure', retries: 3, delayMs: 2000 });
  t.strictSame(parseRestart('unless-stopped', undefined).policy, 'always');
  for (const text of ['sometimes', 'always:3', 'on-failure:x'])
    t.throws(() => parseRestart(text, undefined), { code: 'USAGE' }, text);
});

t.test('other values', async (t) => {
  t.equal(parseCpus('0.5'), 0.5);
  for (const text of ['0', 'two', '300', '-1']) t.throws(() => parseCpus(text), { code: 'USAGE' }, text);
  t.strictSame(parseLabels(['a=b=c', 'd']), { a: 'b=c', d: '' });
  t.throws(() => parseLabels(['=x']), { code: 'USAGE' });
  t.equal(seconds('5', '--time'), 5000);
  t.equal(seconds('500ms', '--time'), 500);
  t.strictSame(variable('A=1', {}), ['A=1']);
  t.strictSame(variable('B', { B: '2' }), ['B=2']);
  t.strictSame(variable('C', {}), []);
  t.throws(() => variable('=x', {}), { code: 'USAGE' });
});

t.test('settingsFrom() has the defaults, and refuses what contradicts itself', async (t) => {
  const facts = { innerPort: 0, macOf: () => '02:00:00:00:00:01' };
  t.strictSame(settingsFrom({}, [], {}, facts), settings);
  for (const options of [
    { rm: true, restart: 'always' },
    { idleTimeout: '5s' },
    { network: ['moon'] },
    { network: ['bridge:br0'], port: ['8080'] },
    { network: ['bridge:br0'], activate: true },
    { after: ['../x'] },
    { readyPort: '0' },
  ])
    t.throws(() => settingsFrom(options, [], {}, facts), { name: 'RuntimeError' }, JSON.stringify(options));
});

t.test('changesFrom() keeps what was not mentioned', async (t) => {
  t.strictSame(changesFrom({ memory: '64M' }, settings), { memoryMiB: 64 });
  t.strictSame(
    changesFrom({ restart: 'always' }, { ...settings, restart: { ...settings.restart, delayMs: 7 } }),
    {
      restart: { policy: 'always', retries: undefined, delayMs: 7 },
    },
  );
  t.throws(() => changesFrom({}, settings), { code: 'USAGE' });
});
