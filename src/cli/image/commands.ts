import type { Argv } from 'yargs';
import { print } from '../print.ts';
import { imageAdd } from './add.ts';
import { type Answer, type ImageContext, imageContext } from './context.ts';
import { fileOptions, settingOptions } from './definition-options.ts';
import { imageImport } from './import.ts';
import { imageInspect } from './inspect.ts';
import { Interrupted, interruptible } from './interruptible.ts';
import { imageList } from './list.ts';
import { imagePack } from './pack.ts';
import { lineOfProgress } from './progress.ts';
import { imagePush } from './push.ts';
import { imageRemove } from './remove.ts';

/** The commands below `image`, by the names that a misspelled one may have meant. */
export const imageCommands = [
  'ls',
  'list',
  'inspect',
  'add',
  'import',
  'rm',
  'remove',
  'pack',
  'pull',
  'push',
];

/** What a command needs on its line, for those that were called without it. */
export const imageOperands: Readonly<Record<string, string>> = {
  inspect: 'the name of a unikernel, or a file',
  add: 'a name for the unikernel',
  import: 'a file or an image',
  rm: 'the name of a unikernel',
  remove: 'the name of a unikernel',
  pack: 'the name of a unikernel, and one for the image',
  pull: 'a reference to an image',
  push: 'the name of a unikernel, and a reference to an image',
};

const replaceOption = {
  type: 'boolean',
  default: false,
  describe: 'replace the unikernel of that name',
} as const;

const accessOptions = {
  'tls-verify': {
    type: 'boolean',
    default: true,
    describe: 'whether the image registry must have a trusted certificate',
  },
  authfile: { type: 'string', requiresArg: true, describe: "skopeo's file of credentials" },
} as const;

/** How a command is carried out: what it answers is printed, and its status kept. */
export type Run = (
  asJson: boolean,
  command: (context: ImageContext) => Answer | Promise<Answer>,
) => Promise<void>;

/** A {@link Run} that hands on the exit status. */
export function runner(env: NodeJS.ProcessEnv, onStatus: (status: number) => void): Run {
  return async (asJson, command) => {
    const progress = lineOfProgress(process.stderr.isTTY === true);
    try {
      const answer = await interruptible(
        async (signal) => await command(await imageContext(env, signal, progress)),
      );
      print(asJson ? `${JSON.stringify(answer.json, undefined, 2)}\n` : answer.text);
      print((answer.notes ?? []).map((note) => `${note}\n`).join(''), 2);
      onStatus(answer.status ?? 0);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      print(`ucrun: ${error.message}\n`, 2);
      onStatus(error.status);
    }
  };
}

/** Make yargs know `image` and what is below it. */
export function addImageCommands(image: Argv, run: Run): Argv {
  return image
    .usage('ucrun image COMMAND\n\nThe unikernels that SERVICE_NAME can name, from the registry.')
    .option('json', { type: 'boolean', default: false, describe: 'print JSON' })
    .command(
      ['ls', 'list'],
      'list them',
      (command) => command,
      async ({ json }) => await run(json, imageList),
    )
    .command(
      'inspect <what>',
      'show one, or what a file is, and whether it can start',
      (command) =>
        command.positional('what', { type: 'string', demandOption: true, describe: 'a name or a file' }),
      async ({ json, what }) => await run(json, (context) => imageInspect(context, what)),
    )
    .command(
      'add <name>',
      'put files together to a unikernel',
      (command) =>
        command
          .version(false)
          .positional('name', { type: 'string', demandOption: true, describe: 'its name' })
          .options({ ...fileOptions, ...settingOptions, replace: replaceOption }),
      async ({ json, name, replace, ...options }) =>
        await run(json, (context) => imageAdd(context, { name, replace }, options)),
    )
    .command(
      'import <source> [name]',
      'make a unikernel of a kernel, a disk of ops, or an OCI image',
      (command) =>
        command
          .version(false)
          .positional('source', {
            type: 'string',
            demandOption: true,
            describe: "a file, an OCI layout, or an image in skopeo's words (docker://…)",
          })
          .positional('name', { type: 'string', describe: 'its name; without it, that of the source' })
          .options({ ...fileOptions, ...settingOptions, replace: replaceOption, ...accessOptions }),
      async ({ json, source, name, replace, tlsVerify, authfile, ...options }) =>
        await run(json, (context) =>
          imageImport(context, { source, name, replace, options, access: { tlsVerify, authfile } }),
        ),
    )
    .command(
      ['rm <names..>', 'remove'],
      'remove unikernels',
      (command) =>
        command
          .positional('names', { type: 'string', array: true, demandOption: true, describe: 'their names' })
          .option('force', {
            alias: 'f',
            type: 'boolean',
            default: false,
            describe: 'even if containers use them',
          }),
      async ({ json, names, force }) => await run(json, (context) => imageRemove(context, names, force)),
    )
    .command(
      'pack <name> <reference>',
      'make an OCI image of one, which needs no registry where it runs',
      (command) =>
        command
          .positional('name', { type: 'string', demandOption: true, describe: 'its name' })
          .positional('reference', { type: 'string', demandOption: true, describe: "the image's name" })
          .option('output', {
            alias: 'o',
            type: 'string',
            requiresArg: true,
            describe: 'an archive, or a directory (with / at its end) for a layout; else NAME.tar',
          })
          .option('load', {
            type: 'boolean',
            default: false,
            describe: 'put it among the images of podman, or else of buildah',
          }),
      async ({ json, name, reference, output, load }) =>
        await run(json, (context) => imagePack(context, { name, reference, output, loads: load })),
    )
    .command(
      'pull <reference> [name]',
      'fetch one from an image registry, with skopeo',
      (command) =>
        command
          .positional('reference', { type: 'string', demandOption: true, describe: 'the image' })
          .positional('name', { type: 'string', describe: "its name; without it, the image's" })
          .options({ replace: replaceOption, ...accessOptions }),
      async ({ json, reference, name, replace, tlsVerify, authfile }) =>
        await run(json, (context) =>
          imageImport(context, {
            source: `docker://${reference.replace(/^docker:\/\//, '')}`,
            name,
            replace,
            options: {},
            access: { tlsVerify, authfile },
          }),
        ),
    )
    .command(
      'push <name> <reference>',
      'give one to an image registry, with skopeo',
      (command) =>
        command
          .positional('name', { type: 'string', demandOption: true, describe: 'its name' })
          .positional('reference', { type: 'string', demandOption: true, describe: 'the image' })
          .options(accessOptions),
      async ({ json, name, reference, tlsVerify, authfile }) =>
        await run(json, (context) => imagePush(context, name, reference, { tlsVerify, authfile })),
    )
    .demandCommand(1, 'image needs a command, such as ls')
    .strict();
}
