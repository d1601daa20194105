import t from 'tap';
import { type HealthProbe, parseHealthProbe } from '../../src/unikernel/health-probe.ts';

const tcp = (port: number, timeoutMs = 5000): HealthProbe => ({ kind: 'tcp', port, timeoutMs });
const http = (port: number, path: string, timeoutMs = 5000): HealthProbe => ({
  kind: 'http',
  port,
  path,
  timeoutMs,
});
const shell = (text: string) => ['/bin/sh', '-c', text];

t.test('parseHealthProbe() reads every form', async (t) => {
  const cases: readonly [command: readonly string[], probe: HealthProbe][] = [
    [['ucrun-probe', 'tcp', '8080'], tcp(8080)],
    [['ucrun-probe', 'tcp', '--timeout', '2s', '1'], tcp(1, 2000)],
    [['ucrun-probe', '--timeout=300ms', 'tcp', '65535'], tcp(65535, 300)],
    [['ucrun-probe', 'http', ':8080'], http(8080, '/')],
    [['ucrun-probe', 'http', ':8080/'], http(8080, '/')],
    [['ucrun-probe', 'http', 'localhost:8080/a/b?c=d&e'], http(8080, '/a/b?c=d&e')],
    [['ucrun-probe', 'http', '127.0.0.1:80?x'], http(80, '/?x')],
    [['ucrun-probe', 'http', '[::1]:8080/'], http(8080, '/')],
    [['ucrun-probe', 'http', 'http://localhost/health'], http(80, '/health')],
    [['ucrun-probe', 'http', 'http://localhost:81', '--timeout', '1m'], http(81, '/', 60_000)],
    [shell('ucrun-probe tcp 8080'), tcp(8080)],
    [['sh', '-c', '  ucrun-probe  tcp\t8080 '], tcp(8080)],
    [shell('ucrun-probe http :8080/a?b || exit 1'), http(8080, '/a?b')],
    [shell(`ucrun-probe http ':8080/a?b=c&d' --timeout "2s"`), http(8080, '/a?b=c&d', 2000)],
    [shell(`ucrun-probe http "http://localhost":8080'/'`), http(8080, '/')],
  ];
  for (const [command, probe] of cases) t.strictSame(parseHealthProbe(command), probe, command.join(' '));
});

t.test('parseHealthProbe() leaves every other command alone', async (t) => {
  const cases = [
    [],
    ['ls'],
    ['/bin/ucrun-probe', 'tcp', '80'],
    ['curl', '-f', 'http://localhost:8080/'],
    ['wget', '-q', '--spider', 'http://localhost:8080/'],
    ['nc', '-z', 'localhost', '8080'],
    ['sh'],
    ['sh', '-c'],
    ['sh', '-c', 'ucrun-probe tcp 80', 'more'],
    ['sh', '-x', 'ucrun-probe tcp 80'],
    ['bash', '-c', 'ucrun-probe tcp 80'],
    shell('ucrun-probes tcp 80'),
    shell('exec ucrun-probe tcp 80'),
    shell('true && ucrun-probe tcp 80'),
  ];
  for (const command of cases) t.equal(parseHealthProbe(command), undefined, command.join(' '));
});

t.test('parseHealthProbe() says what a probe cannot mean', async (t) => {
  const cases: readonly [words: string, message: RegExp][] = [
    ['', /^cannot read the probe "ucrun-probe"$/],
    ['udp 53', /^cannot read the probe "ucrun-probe udp 53"$/],
    ['tcp', /cannot read/],
    ['tcp 80 81', /cannot read/],
    ['tcp 0', /^"0" of ucrun-probe is not a port$/],
    ['tcp 65536', /not a port/],
    ['tcp http', /not a port/],
    ['http :x/', /^"x" of ucrun-probe is not a port$/],
    ['http localhost', /^"localhost" is not what an HTTP probe can ask for$/],
    ['http 8080', /not what an HTTP probe/],
    ['http /path', /not what an HTTP probe/],
    ['http https://localhost/', /not what an HTTP probe/],
    ['http http://me@localhost/', /not what an HTTP probe/],
    ['http :80/#part', /not what an HTTP probe/],
    ['http :80/ä', /not what an HTTP probe/],
    ['http db:5432/', /^a probe asks its own container's guest, not "db"$/],
    ['http http://192.0.2.1/', /not "192\.0\.2\.1"/],
    ['tcp 80 --retries 3', /^ucrun-probe has no option "--retries"$/],
    ['tcp 80 --timeout', /^option --timeout of ucrun-probe is ""/],
    ['tcp 80 --timeout 5', /^option --timeout of ucrun-probe is "5"/],
    ['tcp 80 --timeout 0s', /^option --timeout of ucrun-probe is "0s"/],
    ['tcp 80 --timeout 61m', /^option --timeout of ucrun-probe is "61m"/],
  ];
  for (const [words, message] of cases) {
    const command = ['ucrun-probe', ...words.split(' ').filter((word) => word !== '')];
    t.throws(() => parseHealthProbe(command), { code: 'USAGE', message, hint: /./ }, words);
    t.throws(() => parseHealthProbe(shell(command.join(' '))), { code: 'USAGE' }, `${words} in a shell`);
  }
});

t.test('parseHealthProbe() takes nothing that needs a shell', async (t) => {
  const cases = [
    'ucrun-probe tcp 80 || exit 2',
    'ucrun-probe tcp 80 && ucrun-probe tcp 81',
    'ucrun-probe tcp 80; true',
    'ucrun-probe tcp $PORT',
    'ucrun-probe http ":$PORT/"',
    'ucrun-probe http :80/a?b&c',
    'ucrun-probe http :80/ >/dev/null',
    'ucrun-probe tcp `echo 80`',
    'ucrun-probe tcp "80',
    'ucrun-probe tcp 80\nucrun-probe tcp 81',
  ];
  for (const text of cases)
    t.throws(() => parseHealthProbe(shell(text)), { code: 'USAGE', message: /needs a shell/ }, text);
});

t.test('parseHealthProbe() spends no time on a text without end', async (t) => {
  const texts = [
    `ucrun-probe tcp 80${' '.repeat(200_000)}|`,
    `ucrun-probe${' x'.repeat(100_000)}`,
    `ucrun-probe${' x'.repeat(100_000)} "`,
  ];
  const start = performance.now();
  for (const text of texts) t.equal(parseHealthProbe(shell(text)), undefined);
  t.ok(performance.now() - start < 1000);
});
