import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { engineVerbs, peoplesVerbs } from '../forward/command-line.ts';

/** The error for a word that no runtime knows as a verb. */
export function unknownCommand(word: string): RuntimeError {
  const near = nearest(word, [...peoplesVerbs, ...engineVerbs]);
  return new RuntimeError('USAGE', `unknown command "${word}"`, {
    hint: near === undefined ? 'ucrun --help lists the commands' : `did you mean "${near}"?`,
  });
}
