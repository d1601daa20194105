import { type CommandLine, engineVerbs } from '../forward/command-line.ts';

/** Whether an option asks for the help text; the forms are those of crun and of runc. */
export function asksForHelp(option: string): boolean {
  return ['--help', '-h', '-?'].includes(option);
}

/** Whether an option asks for the version. */
export function asksForVersion(option: string): boolean {
  return ['--version', '-v', '-V'].includes(option);
}

/** Whether a shell asks, through the script that `completion` prints, for the words that may come next. */
export function asksForCompletions(option: string): boolean {
  return option === '--get-yargs-completions';
}

/** The verb of `help VERB`, if crun is the one to explain it. */
export function verbToExplain({ verb, verbArgs: [word] }: CommandLine): string | undefined {
  return verb === 'help' && word !== undefined && engineVerbs.has(word) ? word : undefined;
}

/** A verb of runc's that not every crun has. */
export type SparseVerb = 'events' | 'features';

/** Whether it is a verb that ucrun may have to answer in crun's place, whatever the container. */
export function isSparseVerb(verb: string | undefined): verb is SparseVerb {
  return verb === 'events' || verb === 'features';
}
