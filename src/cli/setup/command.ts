import { isSea } from 'node:sea';
import { nearest } from '../../base/nearest.ts';
import { RuntimeError } from '../../base/runtime-error.ts';
import { homeDirectory } from '../../host/home.ts';
import { type EngineName, engineNames } from '../../setup/engine.ts';
import { identify, isHostRoot } from '../config-for.ts';
import { print } from '../print.ts';
import { asRuntimeError } from '../report-error.ts';
import { addToEngine } from './add.ts';
import type { SetupContext } from './engine-setup.ts';
import { engineNamesWithRecord, removeFromEngine } from './remove.ts';

/** The options of `setup`. */
export interface SetupOptions {
  readonly engine: string | undefined;
  readonly isDefault: boolean;
  readonly remove: boolean;
  readonly isDryRun: boolean;
}

/**
 * `setup`: an engine is told of ucrun, or not to know it any more.
 * @throws RuntimeError
 */
export function runSetup(options: SetupOptions, env: NodeJS.ProcessEnv): void {
  const { engine, isDefault, remove, isDryRun } = options;
  const context = setupContext(isDefault, env);
  if (remove) {
    if (isDefault)
      throw new RuntimeError('USAGE', 'setup takes --default or --remove, not both', {
        hint: 'without --default it makes ucrun one runtime among others again',
      });
    const names = engine === undefined ? engineNamesWithRecord(engineNames, context) : [checkName(engine)];
    if (names.length === 0)
      print('nothing to do, setup has not written to the configuration of any engine\n');
    removeFromAll(names, context, isDryRun);
    return;
  }
  if (engine === undefined)
    throw new RuntimeError('USAGE', 'setup needs an engine', { hint: `one of ${engineNames.join(', ')}` });
  const name = checkName(engine);
  if (!isSea())
    throw new RuntimeError('HOST_FAILED', 'ucrun is not built: an engine cannot call its sources', {
      hint: 'make build, and run the setup of dist/ucrun or of an installed one',
    });
  print(addToEngine(name, context, isDryRun));
}

/** What one engine cannot forget keeps no other from it. @throws RuntimeError the last of the failures */
function removeFromAll(names: readonly EngineName[], context: SetupContext, isDryRun: boolean): void {
  let failure: RuntimeError | undefined;
  for (const name of names) {
    try {
      print(removeFromEngine(name, context, isDryRun));
    } catch (error) {
      if (failure !== undefined) print(`ucrun: ${failure.message}\nhint: ${failure.hint}\n`, 2);
      failure = asRuntimeError(error);
      if (failure === undefined) throw error;
    }
  }
  if (failure !== undefined) throw failure;
}

function setupContext(isDefault: boolean, env: NodeJS.ProcessEnv): SetupContext {
  const identity = identify();
  return {
    wish: { ucrun: process.execPath, isDefault },
    env,
    isHostRoot: isHostRoot(identity),
    home: homeDirectory(env, identity.euid),
  };
}

function checkName(word: string): EngineName {
  const found = engineNames.find((name) => name === word);
  if (found !== undefined) return found;
  const near = nearest(word, engineNames);
  throw new RuntimeError('USAGE', `unknown engine "${word}"`, {
    hint: near === undefined ? `the engines are ${engineNames.join(', ')}` : `did you mean "${near}"?`,
  });
}
