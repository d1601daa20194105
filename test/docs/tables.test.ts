/** The documents' tables and lists say what the code says. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { errorCodes } from '../../src/base/error-codes.ts';
import { guestEnvironment } from '../../src/runtime/guest-environment.ts';
import { configKeys } from '../../src/unikernel/config.ts';
import {
  definitionKeys,
  guestRoots,
  machineModels,
  parseDefinition,
} from '../../src/unikernel/definition.ts';
import { guestKinds } from '../../src/unikernel/guests/guest.ts';
import { guests } from '../../src/unikernel/guests/index.ts';
import { placeholders } from '../../src/unikernel/guests/raw.ts';
import { annotationKey } from '../../src/unikernel/image-settings.ts';
import { exitStatuses } from '../../src/unikernel/launch-script.ts';
import { parseNamespaceFacts } from '../../src/unikernel/network/facts.ts';
import { planNetwork } from '../../src/unikernel/network/plan.ts';
import type { NetworkMode } from '../../src/unikernel/network/types.ts';
import { parsePorts } from '../../src/unikernel/ports.ts';
import { qemuArgs } from '../../src/unikernel/qemu-args.ts';
import { parseSignal, type SignalMeaning, signalMeaning } from '../../src/unikernel/signals.ts';
import { uruncPrefix } from '../../src/unikernel/urunc-keys.ts';
import { tableEngines, tableText } from '../end-to-end/support/engine-table/promises.ts';
import { networkMatrix, networkModes } from '../end-to-end/support/network-matrix.ts';
import {
  afterMarker,
  codeIn,
  documentText,
  literalsInSources,
  plain,
  sectionOf,
  tableRows,
} from './support/documents.ts';
import { configManualPath, manualItems, manualPath, manualText } from './support/manual.ts';

t.test('the keys of unikernel.json are in README.md and the manual', async (t) => {
  const rows = tableRows(afterMarker('README.md', 'keys'));
  t.strictSame(
    rows.map(([key]) => plain(key)),
    definitionKeys,
  );
  t.strictSame(
    manualItems('UNIKERNELS').map(({ name }) => name),
    definitionKeys,
  );
  const value = (key: string) => plain(rows.find(([name]) => plain(name) === key)?.[1]);
  t.strictSame(value('guest').split(' or '), guestKinds);
  t.strictSame(value('root').replace(/ \(.*/, '').split(' or '), guestRoots);
  t.strictSame(value('machine').split(' or '), machineModels);
  t.ok(parsePorts(JSON.parse(value('ports').replace(/, see.*/, '')).join(','), 'README.md'));
  t.ok(parsePorts('8080,9090/udp', 'README.md'));
});

t.test('the manual has every annotation', async (t) => {
  const names = manualItems('ANNOTATIONS').map(({ name }) => name);
  t.strictSame(
    names.filter((name) => !name.startsWith(uruncPrefix)),
    definitionKeys.map(annotationKey),
  );
  const source = readFileSync('src/unikernel/urunc-keys.ts', 'utf8');
  const foreign = names.flatMap((name) =>
    name.startsWith(uruncPrefix) ? [name.slice(uruncPrefix.length)] : [],
  );
  t.ok(foreign.length > 6);
  for (const name of foreign) t.match(source, new RegExp(`'${name}'|\\b${name}:`), name);
});

t.test('the definitions that documents show can be read', async (t) => {
  const shown = codeIn(sectionOf('README.md', 'The registry')).filter((code) => code.startsWith('{ "'));
  t.equal(shown.length, 1);
  for (const code of shown) t.ok(parseDefinition(JSON.parse(code), 'README.md'));
});

t.test('the placeholders are in README.md, docs/guests.md and the manual', async (t) => {
  const expected = placeholders.map((name) => `{${name}}`);
  const inReadme = codeIn(sectionOf('README.md', 'What a guest is given'));
  t.strictSame(
    inReadme.filter((code) => /^\{\w+\}$/.test(code)),
    expected,
  );
  const inGuests = tableRows(sectionOf('docs/guests.md', 'Placeholders of a raw guest'));
  t.strictSame(
    inGuests.map(([name]) => plain(name)),
    expected,
  );
  t.strictSame(
    manualItems('Placeholders').map(({ name }) => name),
    expected,
  );
});

t.test('the variables that README.md says are kept from a guest are', async (t) => {
  const [, list = ''] =
    /only what the image or the user set is passed: not ([\s\S]*?)\.\n/.exec(documentText('README.md')) ?? [];
  const names = codeIn(list).flatMap((name) =>
    name === 'LISTEN_*' ? ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'] : [name],
  );
  t.ok(names.length > 8, names.join());
  t.strictSame(
    guestEnvironment(
      [...names, 'KEPT'].map((name) => `${name}=x`),
      'own',
    ),
    ['KEPT=x'],
  );
});

const meanings: readonly [SignalMeaning, RegExp][] = [
  ['power-button', /power button/i],
  ['kill', /ends at once/],
  ['pause', /pause/i],
  ['resume', /resume/i],
];

/** What a list of signals with their effects says of each signal there is. */
function toldMeanings(rows: readonly (readonly [names: string, effect: string])[]): SignalMeaning[] {
  const told = new Map<number, SignalMeaning>();
  for (const [names, effect] of rows) {
    const meaning = meanings.find(([, pattern]) => pattern.test(effect))?.[0];
    if (meaning === undefined) continue;
    for (const name of names.split(', ')) {
      const number = parseSignal(name);
      if (number === undefined) throw new Error(`"${name}" is no signal`);
      told.set(number, meaning);
    }
  }
  return allSignals.map((number) => told.get(number) ?? 'ignored');
}

const allSignals = Array.from({ length: 64 }, (_, index) => index + 1);

t.test('docs/signals.md, README.md and the manual give each signal its meaning', async (t) => {
  const expected = allSignals.map(signalMeaning);
  const rows = tableRows(documentText('docs/signals.md'));
  t.strictSame(toldMeanings(rows.map(([names = '', effect = '']) => [names, effect])), expected);
  t.strictSame(toldMeanings(manualItems('SIGNALS').map(({ name, text }) => [name, text])), expected);
  const readme = sectionOf('README.md', 'Ends');
  const [, buttons = ''] = /^(.*) press the power button/m.exec(readme) ?? [];
  const [, kill = '', pause = '', resume = ''] =
    /(\w+) ends the machine, (.*) pause it,\s+(\w+) lets it go on/.exec(readme) ?? [];
  const list = (names: string) => names.replaceAll(' and ', ', ');
  t.strictSame(
    toldMeanings([
      [list(buttons), 'power button'],
      [kill, 'ends at once'],
      [list(pause), 'pause'],
      [resume, 'resume'],
    ]),
    expected,
  );
});

t.test('README.md and the manual have the exit statuses', async (t) => {
  const { vmmFailed, crashed, switchedOff } = exitStatuses;
  const expected = [0, vmmFailed, crashed, 137, switchedOff].map(String);
  t.strictSame(
    tableRows(sectionOf('README.md', 'Ends')).map(([status]) => status),
    expected,
  );
  t.strictSame(
    manualItems('EXIT STATUS').map(({ name }) => name),
    expected,
  );
});

t.test('docs/guests.md and the manual name the ports of the exit protocol', async (t) => {
  const args = qemuArgs(
    {
      guest: 'raw',
      model: 'microvm',
      bus: 'mmio',
      firmware: undefined,
      memoryMiB: 2,
      vmmMemory: { limit: 'within', overheadMiB: 2, codeCacheMiB: 2 },
      cpus: 1,
      boot: 'kernel',
      hasInitrd: false,
      disks: [],
      shares: [],
      virtiofsd: undefined,
      modernVirtio: false,
      accelerator: { kind: 'tcg', cpu: 'max', reason: '' },
      qemu: '/qemu',
      extraArgs: [],
      powerButton: true,
    },
    { kind: 'none', notes: [] },
    '',
  );
  const port = (device: string) => new RegExp(`${device},iobase=(0x[0-9a-f]+)`).exec(args.join(' '))?.[1];
  for (const device of ['isa-debugcon', 'isa-debug-exit']) {
    t.match(port(device), /^0x/, device);
    for (const text of [sectionOf('docs/guests.md', 'The exit protocol'), manualText(manualPath)])
      t.match(text, port(device), device);
  }
});

t.test(
  'docs/guests.md, README.md and the manual know every kind of guest, and what it does by itself',
  async (t) => {
    const rows = tableRows(sectionOf('docs/guests.md', 'The kinds'));
    t.strictSame(
      rows.map(([kind]) => plain(kind)),
      guestKinds,
    );
    const deaf = guestKinds.filter((kind) => !guests[kind].powerButton);
    const readme = tableRows(afterMarker('README.md', 'keys')).find(
      ([key]) => plain(key) === 'powerButton',
    )?.[2];
    t.strictSame(codeIn(readme ?? ''), deaf);
    const keys = manualItems('UNIKERNELS');
    t.match(
      keys.find(({ name }) => name === 'powerButton')?.text.replaceAll(/\s+/g, ' '),
      deaf.join(', ').replace(/, (\w+)$/, ' and $1'),
    );
    for (const kind of guestKinds) {
      t.match(keys.find(({ name }) => name === 'guest')?.text, kind, kind);
      const { defaultMemoryMiB } = guests[kind];
      if (defaultMemoryMiB !== undefined)
        t.match(documentText('docs/guests.md'), `gets ${defaultMemoryMiB} MiB`, kind);
    }
    const told = Object.fromEntries(
      [.../(\d+) for `(\w+)`/g[Symbol.matchAll](sectionOf('docs/guests.md', 'The machine'))].map(
        ([, mib, kind]) => [kind, Number(mib)],
      ),
    );
    for (const kind of guestKinds) t.equal(told[kind] ?? 2, guests[kind].leastMemoryMiB, kind);
  },
);

t.test("docs/guests.md has the limits of the guests' command lines", async (t) => {
  // Nanos has no command line.
  for (const kind of guestKinds.filter((each) => each !== 'nanos')) {
    const source = readFileSync(`src/unikernel/guests/${kind}.ts`, 'utf8');
    const limit = /maxCommandLineBytes = (\d+)/.exec(source)?.[1];
    t.ok(limit, kind);
    t.match(documentText('docs/guests.md'), `at most ${limit} bytes`, kind);
  }
});

const anywhere = {
  isShared: false,
  isRootless: false,
  isToldAddress: true,
  hasTun: true,
  hasIpv6: false,
  hasVhost: false,
  ports: [],
  nameServers: [],
  guest: 'raw',
  abilities: { cards: 8, ipv6: true, multiqueue: false, asksForAddress: true },
  cpus: 1,
} as const;

t.test('docs/network.md has what each mode gives', async (t) => {
  const address = { family: 'inet', scope: 'global', local: '10.0.0.2', prefixlen: 24 };
  const link = {
    ifname: 'eth0',
    flags: ['UP'],
    link_type: 'ether',
    address: '02:00:00:00:00:01',
    mtu: 1500,
  };
  const ownNamespace = parseNamespaceFacts(
    `${JSON.stringify([{ ...link, addr_info: [address] }])}\n[]\n[]\n`,
    '',
  );
  const given = (mode: string, facts: Parameters<typeof planNetwork>[0]['facts'], isShared = false) => {
    const request = { ...anywhere, isShared };
    try {
      return planNetwork({ ...request, mode: mode as NetworkMode, facts }).kind;
    } catch {
      return 'error';
    }
  };
  const rows = tableRows(documentText('docs/network.md')).map((row) => row.map(plain));
  t.strictSame(
    rows.map(([mode]) => mode),
    ['auto', 'tap', 'passt', 'user', 'none'],
  );
  for (const [mode = '', own = '', shared = '', host = ''] of rows) {
    t.equal(/^\w+/.exec(own)?.[0], given(mode, ownNamespace), `${mode}, own namespace`);
    t.equal(/^\w+/.exec(shared)?.[0], given(mode, ownNamespace, true), `${mode}, shared namespace`);
    t.equal(host.replace('an error', 'error'), given(mode, undefined), `${mode}, host network`);
  }
});

t.test('docs/network.md has what each way of joining a guest gives', async (t) => {
  const path = 'docs/network.md';
  const text = documentText(path);
  const rows = Object.entries(networkMatrix).map(
    ([check, ways]) => `| ${check} | ${networkModes.map((mode) => ways[mode]).join(' | ')} |\n`,
  );
  const expected = text.replace(
    /(<!-- matrix -->\n\|.*\n\| ---.*\n)(?:\|.*\n)*/,
    (_, head: string) => head + rows.join(''),
  );
  if (process.env.TAP_SNAPSHOT === '1') writeFileSync(path, expected);
  t.ok(rows.length > 5);
  t.equal(readFileSync(path, 'utf8'), expected);
});

t.test("docs/network.md has the user stack's addresses", async (t) => {
  const surroundings = { hasIpv6: true, nameServers: ['1.1.1.1', 'fd00::53'] };
  const plan = planNetwork({ ...anywhere, ...surroundings, mode: 'user', facts: undefined });
  if (plan.kind !== 'user') throw new Error(plan.kind);
  const [card] = plan.guest.cards;
  const [server, ipv6Server] = plan.guest.nameServers;
  const told = tableRows(sectionOf('docs/network.md', 'Addresses'));
  t.strictSame(
    told.map(([, value]) => value),
    [
      `${card?.ipv4?.address}/${card?.ipv4?.prefixLength}`,
      card?.ipv4Gateway,
      server,
      `${card?.ipv6?.address}/${card?.ipv6?.prefixLength}, ${card?.ipv6Gateway}, ${ipv6Server}`,
      card?.mac,
    ],
  );
});

const shown = (value: unknown) => `\`${JSON.stringify(value).replaceAll(',', ', ')}\``;

t.test('README.md has the configuration keys with their defaults', async (t) => {
  const rows = tableRows(afterMarker('README.md', 'config'));
  t.strictSame(
    rows.map(([key, value]) => [plain(key), value]),
    Object.entries(configKeys).map(([key, { default: value }]) => [key, shown(value)]),
  );
});

t.test('docs/configuration.md has the table of configuration keys', async (t) => {
  const path = 'docs/configuration.md';
  const text = documentText(path);
  const rows = Object.entries(configKeys).map(
    ([key, { default: value, allowed, help }]) => `| \`${key}\` | ${shown(value)} | ${allowed} | ${help} |\n`,
  );
  const head = /^\| key \|.*\n\| ---.*\n/m.exec(text)?.[0] ?? '';
  const expected = text.replace(/(^\| key \|.*\n\| ---.*\n)(?:\|.*\n)*/m, () => head + rows.join(''));
  if (process.env.TAP_SNAPSHOT === '1') writeFileSync(path, expected);
  t.equal(readFileSync(path, 'utf8'), expected);
});

t.test('each column of the table of engines is tried by one file', async (t) => {
  const folder = 'test/end-to-end';
  const files = readdirSync(folder).filter((name) => name.startsWith('engine-table'));
  const tried = files.flatMap((name) =>
    [...readFileSync(`${folder}/${name}`, 'utf8').matchAll(/^ {2}(\w+):/gm)].map(([, engine = '']) => engine),
  );
  t.strictSame(tried.sort(), Object.keys(tableEngines).sort());
});

t.test('docs/engines.md has the table that the engines are tried with', async (t) => {
  const path = 'docs/engines.md';
  const expected = documentText(path).replace(
    /(<!-- engines -->\n)(?:\|.*\n)*/,
    (_, marker: string) => marker + tableText(),
  );
  if (process.env.TAP_SNAPSHOT === '1') writeFileSync(path, expected);
  t.equal(readFileSync(path, 'utf8'), expected);
  t.match(expected, tableText());
});

t.test('the manual has the configuration keys', async (t) => {
  t.strictSame(
    manualItems('KEYS', configManualPath).map(({ name, text }) => `${name}: ${text}`),
    Object.entries(configKeys).map(
      ([key, { default: value, allowed, help }]) =>
        `${key} = ${JSON.stringify(value)}: ${help} It is ${allowed}.`,
    ),
  );
});

/** What only programs that write bundles meet. */
const unexplained = ['BUNDLE_MISSING', 'ID_INVALID', 'SPEC_INVALID'];

t.test(
  'the errors that docs/troubleshooting.md explains are errors that ucrun prints, of each kind',
  async (t) => {
    const messages = literalsInSources();
    const rows = tableRows(sectionOf('docs/troubleshooting.md', 'Messages'));
    t.ok(rows.length > 40);
    const explained = new Set<string | undefined>();
    for (const [cell = '', remedy] of rows) {
      for (const message of cell.split('`, `').map(plain)) {
        t.ok(messages.has(message), message);
        for (const code of messages.get(message) ?? []) explained.add(code);
      }
      t.ok(remedy, cell);
    }
    for (const code of Object.keys(errorCodes))
      t.equal(explained.has(code), !unexplained.includes(code), code);
  },
);
