import { machinePlaces } from './places.ts';
import { isBroken, MachineStore } from './store.ts';

/** The names of this user's machines that are made of a unikernel of the registry. */
export function machinesUsing(unikernel: string, env: NodeJS.ProcessEnv): readonly string[] {
  const uid = process.geteuid?.() ?? 0;
  const store = new MachineStore(machinePlaces(uid === 0 ? 'system' : 'user', env, uid));
  return store.readAll().flatMap((machine) => {
    if (isBroken(machine)) return [];
    const { name, source } = machine;
    return source.kind === 'registry' && source.name === unikernel ? [name] : [];
  });
}
