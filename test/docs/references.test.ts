/** What documents refer to is there: files, headings, commands, targets, names. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import t, { type Test } from 'tap';
import { internalCommands } from '../../src/cli/machine/internal-commands.ts';
import { ociVerbs } from '../../src/cli/people.ts';
import { prepareVerb } from '../../src/runtime/run.ts';
import { definitionKeys } from '../../src/unikernel/definition.ts';
import { annotationKey } from '../../src/unikernel/image-settings.ts';
import { codeIn, documents } from './support/documents.ts';
import {
  configManualPath,
  imageManualPath,
  machineManualPath,
  manualItems,
  manualPath,
  manualText,
} from './support/manual.ts';

function help(...args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['src/cli/main.ts', ...args, '--help'], {
    encoding: 'utf8',
    env: {},
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const verbs = Object.keys(ociVerbs).flatMap((entry) =>
  entry.split(', ').map((verb) => verb.split(' ')[0] ?? ''),
);
const commandsIn = (text: string, parent: string) =>
  [...text.matchAll(new RegExp(`^ +${parent} (\\w+)`, 'gm'))].map(([, name = '']) => name);
const peoplesCommands = commandsIn(help(), 'ucrun');
const imageCommands = commandsIn(help('image'), 'ucrun image');
const machineCommands = commandsIn(help('machine'), 'ucrun machine');

const targets = [...readFileSync('Makefile', 'utf8').matchAll(/^([a-z0-9-]+):/gm)].map(([, name]) => name);
const annotations = definitionKeys.map(annotationKey);
const sources = globSync('src/**/*.ts')
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n');
/** Where a name in capitals may come from. */
const everything =
  sources +
  globSync('{hack,test,scripts}/**/*.{c,sh,ts}')
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');

/** The anchors of a document's headings, as code forges make them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

for (const [path, text] of documents) {
  t.test(path, async (t) => {
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const linked = file === '' ? path : normalize(`${dirname(path)}/${file}`);
      t.ok(existsSync(linked), `link to ${target}`);
      if (anchor !== undefined)
        t.ok(anchorsOf(documents.get(linked) ?? '').includes(anchor), `heading ${target}`);
    }
    for (const code of codeIn(text)) checkCode(t, code.replaceAll(/ # .*$/gm, ''));
  });
}

/** Check the names in a piece of code. */
function checkCode(t: Test, code: string): void {
  for (const [, verb = '', next = ''] of code.matchAll(/(?<![\w./=-])ucrun ([a-z]+)(?: ([a-z]+))?/g)) {
    t.ok([...verbs, ...peoplesCommands, 'help', prepareVerb].includes(verb), `ucrun ${verb}`);
    if (verb === 'image') t.ok(imageCommands.includes(next), `ucrun image ${next}`);
    if (verb === 'machine' && next !== '')
      t.ok([...machineCommands, ...internalCommands].includes(next), `ucrun machine ${next}`);
  }
  for (const [, target = ''] of code.matchAll(/(?:^|&& |sudo |=\S+ )make ([a-z][a-z0-9-]*)/gm))
    t.ok(targets.includes(target), `make ${target}`);
  for (const [annotation] of code.matchAll(/(?<![\w./])ucrun\.[a-z][A-Za-z.]*[A-Za-z]/g)) {
    const isFile = globSync(`*/${annotation}`).length > 0;
    const isState = annotation.startsWith('ucrun.state.') && sources.includes(`'${annotation}'`);
    t.ok(isFile || isState || annotations.includes(annotation), annotation);
  }
  if (/^(?:src|scripts|hack|test|etc|docs)\/[\w./*-]+$/.test(code)) t.ok(existsSync(code), code);
  if (/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(code)) t.ok(everything.includes(code), code);
}

t.test('the manual has every command and option', async (t) => {
  checkCommands(
    t,
    [...verbs, ...peoplesCommands, ...imageCommands.map((name) => `image ${name}`)],
    manualPath,
  );
  checkOptions(t, [help(), help('setup'), help('doctor')], manualPath);
});

t.test('the manual of images has every command and option', async (t) => {
  checkCommands(
    t,
    imageCommands.map((name) => `image ${name}`),
    imageManualPath,
  );
  const general = new Set(help().match(/(?<= )--[a-z-]+/g));
  const helps = imageCommands.map((name) => help('image', name));
  checkOptions(
    t,
    helps.map((text) => text.replaceAll(/(?<= )--[a-z-]+/g, (option) => (general.has(option) ? '' : option))),
    imageManualPath,
  );
});

function checkCommands(t: Test, commands: readonly string[], path: string): void {
  const described = manualItems('COMMANDS', path).flatMap(({ name }) => name.split(', '));
  for (const verb of commands)
    t.ok(
      described.some((name) => name === verb || name.startsWith(`${verb} `)),
      verb,
    );
}

t.test('the manual of machines has every command and option', async (t) => {
  const described = manualItems('COMMANDS', machineManualPath).flatMap(({ name }) => name.split(', '));
  t.ok(machineCommands.length > 12);
  for (const verb of machineCommands)
    t.ok(
      described.some((name) => name === verb || name.startsWith(`${verb} `)),
      verb,
    );
  const general = new Set(help().match(/(?<= )--[a-z-]+/g));
  const helps = [help('machine'), ...machineCommands.map((name) => help('machine', name))];
  checkOptions(
    t,
    helps.map((text) => text.replaceAll(/(?<= )--[a-z-]+/g, (option) => (general.has(option) ? '' : option))),
    machineManualPath,
  );
});

function checkOptions(t: Test, helps: readonly string[], path: string): void {
  const options = helps.join('\n').match(/(?<= )--[a-z-]+/g) ?? [];
  t.ok(options.length > 6);
  // Options that are told of together have one \`Fl\`.
  for (const option of new Set(options))
    t.match(manualText(path), new RegExp(`Fl (?:\\S+ , )*${option.slice(1)}(?![\\w-])`), option);
}

const mandoc = spawnSync(
  'mandoc',
  ['-T', 'lint', manualPath, imageManualPath, machineManualPath, configManualPath],
  { encoding: 'utf8' },
);

t.test(
  'the manual is well-formed',
  { skip: mandoc.error !== undefined && 'mandoc is not installed' },
  async (t) => {
    // Which other manuals are installed is the host's affair.
    const findings = mandoc.stdout.split('\n').filter((line) => !/^$|referenced manual not found/.test(line));
    t.strictSame(findings, []);
  },
);
