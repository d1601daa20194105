import t from 'tap';
import { fillTemplate, parseFilters } from '../../../src/cli/machine/format.ts';
import { statusText } from '../../../src/cli/machine/list.ts';
import { parseTime } from '../../../src/cli/machine/times.ts';
import { describeMachine } from '../../../src/machine/service.ts';
import { record } from '../../machine/support/records.ts';

const rows = [
  { Name: 'a', Status: 'Up' },
  { Name: 'longer', Status: 'Exited' },
];
const columns = ['Name', 'Status'];

t.test('fillTemplate()', async (t) => {
  const fill = (template: string) => fillTemplate(template, rows, columns, [{ n: 1 }, { n: 2 }]);
  t.equal(fill('{{.Name}} is {{ .Status }}'), 'a is Up\nlonger is Exited\n');
  t.equal(fill('{{.Name}}\\t{{.Status}}'), 'a\tUp\nlonger\tExited\n');
  t.equal(fill('{{json .}}'), '{"n":1}\n{"n":2}\n');
  t.equal(fill('table {{.Name}}\\t{{.Status}}'), 'NAME    STATUS\na       Up\nlonger  Exited\n');
  t.throws(() => fill('{{.Nmae}}'), { code: 'USAGE', hint: 'did you mean {{.Name}}?' });
  t.throws(() => fillTemplate('{{.X}}', [], columns, []), { code: 'USAGE' }, 'also where there is nothing');
});

t.test('parseFilters()', async (t) => {
  t.strictSame(parseFilters(['name=x', 'label=a=b'], ['name', 'label']), [
    { key: 'name', value: 'x' },
    { key: 'label', value: 'a=b' },
  ]);
  t.throws(() => parseFilters(['nmae=x'], ['name']), { code: 'USAGE' });
  const values = { status: ['running', 'exited'] };
  t.strictSame(parseFilters(['status=exited'], ['status'], values), [{ key: 'status', value: 'exited' }]);
  t.throws(() => parseFilters(['status=runing'], ['status'], values), {
    code: 'USAGE',
    message: /no status is "runing"/,
    hint: 'did you mean "running"?',
  });
  t.throws(() => parseFilters(['status=up'], ['status'], values), {
    code: 'USAGE',
    hint: 'it can be running, exited',
  });
});

t.test('parseTime()', async (t) => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  t.equal(parseTime('10m', '--since', now), now - 600_000);
  t.equal(parseTime('1h30m', '--since', now), now - 5_400_000);
  t.equal(parseTime('1700000000.5', '--since', now), 1_700_000_000_500);
  t.equal(parseTime('2026-01-31T11:00:00Z', '--since', now), now - 3_600_000);
  for (const text of ['soon', '10', '10x', '2026-99-99'].filter((text) => text !== '10'))
    t.throws(() => parseTime(text, '--since', now), { code: 'USAGE' }, text);
});

t.test('statusText() words a status as podman does', async (t) => {
  const now = Date.parse('2026-01-02T04:04:05Z');
  const lastRun = {
    started: '2026-01-02T03:04:05Z',
    ended: '2026-01-02T03:34:05Z',
    exitStatus: 7,
    problem: undefined,
    restarts: 0,
  };
  const text = (status: Parameters<typeof describeMachine>[1]['status']) =>
    statusText(describeMachine({ ...record, lastRun }, { status, pid: undefined, isEnabled: false }), now);
  t.equal(text('running'), 'Up 1 hour');
  t.equal(text('paused'), 'Up 1 hour (Paused)');
  t.equal(text('exited'), 'Exited (7) 30 minutes ago');
  t.equal(text('created'), 'Created');
  t.equal(text('restarting'), 'Restarting (7)');
  t.equal(text('waiting'), 'Waiting for a connection');
});
