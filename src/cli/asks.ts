/** Whether an option asks for the help text; the forms are those of crun and of runc. */
export function asksForHelp(option: string): boolean {
  return ['--help', '-h', '-?'].includes(option);
}

/** Whether an option asks for the version. */
export function asksForVersion(option: string): boolean {
  return ['--version', '-v', '-V'].includes(option);
}
