import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { configKeys, parseConfig } from '../../src/unikernel/config.ts';
import { defaultConfig } from '../../src/unikernel/config-defaults.ts';

const file = '/etc/ucrun/config.toml';
const example = 'etc/config.toml';

t.test('parseConfig() gives an empty file the defaults', async (t) => {
  t.strictSame(parseConfig('', file), defaultConfig);
});

t.test('parseConfig() reads every key', async (t) => {
  const text = `
    crun = "/opt/crun"
    state_dir = "/var/run/u"
    registries = ["/a", "/b c"]
    vm_directories = ["/vms"]
    overlay_dir = "/var/overlays"
    service_name = false
    log_file = "/var/log/ucrun.log"
    log_level = "debug"
    [vmm]
    qemu = "/opt/qemu"
    virtiofsd = "/opt/virtiofsd"
    passt = "/opt/passt"
    accelerator = "tcg"
    extra_args = ["-device", "virtio-rng-device"]
    uid_base = 100000
    uid_count = 10
    memory_limit = "on-top"
    memory_overhead = "96MiB"
    [machine]
    memory = "1GiB"
    cpus = 2
    model = "q35"
    manager = "systemd"
    [network]
    mode = "user"
    [stop]
    grace = "1500ms"
  `;
  t.strictSame(parseConfig(text, file), {
    crun: '/opt/crun',
    stateDir: '/var/run/u',
    registries: ['/a', '/b c'],
    vmDirectories: ['/vms'],
    overlayDir: '/var/overlays',
    serviceName: false,
    logFile: '/var/log/ucrun.log',
    logLevel: 'debug',
    vmm: {
      qemu: '/opt/qemu',
      virtiofsd: '/opt/virtiofsd',
      passt: '/opt/passt',
      accelerator: 'tcg',
      extraArgs: ['-device', 'virtio-rng-device'],
      uidBase: 100000,
      uidCount: 10,
      memoryLimit: 'on-top',
      memoryOverheadMiB: 96,
    },
    machine: { memoryMiB: 1024, cpus: 2, model: 'q35', manager: 'systemd' },
    network: { mode: 'user' },
    stop: { graceMs: 1500 },
  });
});

t.test('parseConfig() keeps the defaults beside the keys that are there', async (t) => {
  const { machine, ...rest } = parseConfig('machine.cpus = 4', file);
  t.strictSame(machine, { ...defaultConfig.machine, cpus: 4 });
  t.match(rest, { vmm: defaultConfig.vmm, crun: undefined });
});

t.test('parseConfig() names file, key, value and what is allowed', async (t) => {
  const cases: readonly [text: string, message: string, hint?: string][] = [
    ['crun = "crun"', '"crun" in FILE is "crun", not an absolute path, or "" to search for it'],
    ['crun = "/a\\nb"', '"crun" in FILE is "/a\\nb", not an absolute path, or "" to search for it'],
    ['crun = 1979-05-27', '"crun" in FILE is "1979-05-27", not an absolute path, or "" to search for it'],
    ['registries = "/a"', '"registries" in FILE is "/a", not a list of absolute paths'],
    ['registries = ["a"]', '"registries" in FILE is ["a"], not a list of absolute paths'],
    ['vm_directories = "/a"', '"vm_directories" in FILE is "/a", not a list of absolute paths'],
    ['vm_directories = ["a"]', '"vm_directories" in FILE is ["a"], not a list of absolute paths'],
    ['overlay_dir = "a"', '"overlay_dir" in FILE is "a", not an absolute path, or "" for the usual one'],
    ['service_name = "no"', '"service_name" in FILE is "no", not true or false'],
    ['vmm = 3', '"vmm" in FILE is 3, not a section', 'a section begins with [vmm]'],
    ['[[vmm]]', '"vmm" in FILE is [{}], not a section', 'a section begins with [vmm]'],
    ['vmm.accelerator = "hvf"', '"vmm.accelerator" in FILE is "hvf", not "auto", "kvm" or "tcg"'],
    [
      'vmm.extra_args = "-x"',
      '"vmm.extra_args" in FILE is "-x", not a list of strings, one for each argument',
    ],
    ['vmm.uid_base = 0', '"vmm.uid_base" in FILE is 0, not a whole number from 1 to 4294967294'],
    [
      'vmm.uid_base = 4294967294',
      '"vmm.uid_base" and "vmm.uid_count" in FILE end at 4295032829',
      'the last user id there can be is 4294967294',
    ],
    ['machine.memory = 128', '"machine.memory" in FILE is 128, not a size, such as "128MiB" or "1GiB"'],
    [
      'machine.memory = "128M"',
      '"machine.memory" in FILE is "128M", not a size, such as "128MiB" or "1GiB"',
      'write the unit: 128MiB',
    ],
    ['machine.cpus = 1.5', '"machine.cpus" in FILE is 1.5, not a whole number from 1 to 255'],
    ['machine.cpus = nan', '"machine.cpus" in FILE is NaN, not a whole number from 1 to 255'],
    ['machine.cpus = 256', '"machine.cpus" in FILE is 256, not a whole number from 1 to 255'],
    [
      'stop.grace = "5"',
      '"stop.grace" in FILE is "5", not a time, such as "500ms", "5s" or "1m"',
      'a time is a whole number with its unit, such as 500ms, 5s or 2m',
    ],
  ];
  for (const [text, message, hint] of cases) {
    const expected = { code: 'CONFIG_INVALID', message: message.replace('FILE', file), hint };
    t.throws(() => parseConfig(text, file), expected, text);
  }
});

t.test('parseConfig() refuses an unknown key and names the nearest one', async (t) => {
  const cases: readonly [text: string, key: string, hint: string | RegExp][] = [
    ['vmm.qmu = ""', 'vmm.qmu', 'did you mean "vmm.qemu"?'],
    ['state-dir = ""', 'state-dir', 'did you mean "state_dir"?'],
    ['memory = "1GiB"', 'memory', 'did you mean "machine.memory"?'],
    ['vmm.cpus = 1', 'vmm.cpus', 'did you mean "machine.cpus"?'],
    ['colour = 1', 'colour', /^the keys are crun, state_dir, /],
    ['__proto__ = 1', '__proto__', /^the keys are /],
    ['toString = 1', 'toString', /^the keys are /],
  ];
  for (const [text, key, hint] of cases) {
    const expected = { code: 'CONFIG_INVALID', message: `unknown key "${key}" in ${file}`, hint };
    t.throws(() => parseConfig(text, file), expected, text);
  }
});

/** What is read of a text, and the messages about the rest. */
function usable(text: string) {
  const problems: string[] = [];
  const config = parseConfig(text, file, ({ message }) => problems.push(message));
  return { config, problems };
}

t.test('parseConfig() takes what it can where problems are only told', async (t) => {
  const { config, problems } = usable(`
    state_dir = "/s"
    crun = 5
    colour = "red"
    stop = 1
    [vmm]
    accelerator = "hvf"
    memory_overhead = "96MiB"
    uid_base = 4294967000
    uid_count = 1000
  `);
  const vmm = { ...defaultConfig.vmm, memoryOverheadMiB: 96, uidBase: 4294967000, uidCount: 295 };
  t.strictSame(config, { ...defaultConfig, stateDir: '/s', vmm });
  t.match(problems.sort(), [
    /^"crun" in/,
    /^"stop" in/,
    /^"vmm.accelerator" in/,
    /^"vmm.uid_base" and "vmm.uid_count" in/,
    /^unknown key "colour"/,
  ]);
  t.equal(problems.length, 5);
});

t.test('parseConfig() takes the lines of a broken file that are whole', async (t) => {
  const text =
    'state_dir = "/s"\ncrun = /usr/bin/crun\nlog_file = "/l"\n[vmm]\nqemu = "\nmemory_overhead = "96MiB"\n';
  const { config, problems } = usable(text);
  const vmm = { ...defaultConfig.vmm, memoryOverheadMiB: 96 };
  t.strictSame(config, { ...defaultConfig, stateDir: '/s', logFile: '/l', vmm });
  t.match(problems, [/is no valid TOML: line 2/]);
  for (const other of ['<html>\n</html>', '\0\x01', '[vmm', '{"crun": "/c"}', '= = =']) {
    const { config, problems } = usable(other);
    t.strictSame(config, defaultConfig, other);
    t.match(problems, [/is no valid TOML/], other);
  }
});

t.test('parseConfig() says where the file is no TOML', async (t) => {
  t.throws(() => parseConfig('crun = ""\nlog_level = oops', file), {
    code: 'CONFIG_INVALID',
    message: /^\/etc\/ucrun\/config.toml is no valid TOML: line 2, column 13: [^\n]+$/,
  });
  t.throws(() => parseConfig('crun = ""\ncrun = ""', file), { message: /line 2, column 1: [^\n]+$/ });
});

t.test('etc/config.toml is the table of keys, each commented out with its default', async (t) => {
  const expected = renderExample();
  if (process.env.TAP_SNAPSHOT === '1') writeFileSync(example, expected);
  t.equal(readFileSync(example, 'utf8'), expected);
});

t.test('etc/config.toml as it is, and with its keys put in force, means the defaults', async (t) => {
  const text = readFileSync(example, 'utf8');
  t.strictSame(parseConfig(text, file), defaultConfig);
  const inForce = text.replaceAll(/^#(?=[a-z_]+ = )/gm, '');
  t.equal(inForce.match(/^[a-z_]+ = /gm)?.length, Object.keys(configKeys).length);
  t.strictSame(parseConfig(inForce, file), defaultConfig);
});

/** The example file: the text at its head, then the table. */
function renderExample(): string {
  const lines = [
    '# The configuration of ucrun.',
    '#',
    '# It is read from the first of these that is there:',
    '#   the file that UCRUN_CONFIG names in the environment of the engine (an absolute path)',
    '#   $XDG_CONFIG_HOME/ucrun/config.toml, or ~/.config/ucrun/config.toml: for users other than root',
    '#   /etc/ucrun/config.toml',
    '# podman runs some commands without an environment: what is to hold always belongs into one of the last two.',
    '#',
    '# Each key below has its default.',
  ];
  let section = '';
  for (const [name, { help, default: value, allowed }] of Object.entries(configKeys)) {
    const [key = '', ownSection = ''] = name.split('.').reverse();
    if (ownSection !== section) lines.push('', `[${ownSection}]`);
    section = ownSection;
    lines.push('', ...comment(help), ...comment(`It is ${allowed}.`), `#${key} = ${JSON.stringify(value)}`);
  }
  return `${lines.join('\n')}\n`;
}

function comment(text: string): string[] {
  return text.match(/\S.{0,105}(?=\s|$)/g)?.map((line) => `# ${line}`) ?? [];
}
