// The LLVM programs of this machine, which Debian installs under names with a version.

import { Failure, outcomeOf } from './run-command.mjs';

const NEWEST = 24;
const OLDEST = 19;

// Returns the first of `name` and its versions for which `works(program)` is true. `variable` names another.
export function findClangTool(name, variable, works, howToInstall) {
  const versions = Array.from({ length: NEWEST - OLDEST + 1 }, (_, index) => `${name}-${NEWEST - index}`);
  const chosen = process.env[variable];
  const found = (chosen ? [chosen] : [...versions, name]).find(works);
  if (found !== undefined) return found;
  throw new Failure(`${chosen ?? `${name} >= ${OLDEST}`} was not found, or does not do (${howToInstall}).`);
}

// Whether its major version is recent enough for C++20 and the headers that zig brings.
export function isRecent(program) {
  const { ok, output } = outcomeOf(program, ['--version']);
  return ok && Number(/version (\d+)/.exec(output)?.[1]) >= OLDEST;
}
