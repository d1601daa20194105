/** The commands below `machine` that units and scripts of ucrun's call, and nobody else. They wait for them, so yargs is not loaded. */
export const internalCommands: readonly string[] = ['prepare', 'exec', 'powerdown', 'ended', 'await'];
