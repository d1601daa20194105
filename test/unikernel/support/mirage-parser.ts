/**
 * The words that a MirageOS program gets of what Solo5's virtio binding is handed, the kernel's path before it.
 * @returns undefined if it stops because the line ends in quotes or behind a backslash
 */
export function mirageSees(commandLine: string): readonly string[] | undefined {
  return parseArgv(withoutOptions(commandLine.replace(/^[^ ]* ?/, '')));
}

/** @see Solo5/solo5 bindings/cmdline.c */
function withoutOptions(line: string): string {
  const rest = line.replace(/^[ \t\n\v\f\r]+/, '');
  const option = /^--solo5:(?:quiet|error|warn|info|debug)(?=[ \t\n\v\f\r]|$)/.exec(rest);
  return option === null ? rest : withoutOptions(rest.slice(option[0].length));
}

/** A space alone separates; double quotes group; a backslash makes the next character stand for itself. @see mirage/parse-argv */
function parseArgv(line: string): readonly string[] | undefined {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  let isEscaped = false;
  for (const character of line) {
    if (isEscaped) {
      word += character;
      isEscaped = false;
    } else if (character === '\\') isEscaped = true;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ' ' && !isQuoted) {
      if (word !== '') words.push(word);
      word = '';
    } else word += character;
  }
  if (isQuoted || isEscaped) return undefined;
  return word === '' ? words : [...words, word];
}
