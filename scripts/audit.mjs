// Known advisories against what is installed. The package has no run-time dependencies, so these are what builds and tests
// it. Not every registry can be asked.

import { readFileSync } from 'node:fs';
import { npmCommand } from './npm.mjs';
import { inProject } from './project.mjs';
import { Failure, outcomeOf } from './run-command.mjs';

// Returns { notRun: why } when the registry gave no answer.
export function auditDependencies() {
  const { dependencies = {} } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const names = Object.keys(dependencies);
  if (names.length > 0) throw new Failure(`There are run-time dependencies (${names.join(', ')}): say here why.`);

  const [npm, ...first] = npmCommand();
  const { ok, stdout, output } = outcomeOf(npm, [
    ...first,
    'audit',
    '--json',
    '--audit-level=high',
    '--loglevel=error',
  ]);
  let answer;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw new Failure(output);
  }
  // An answer counts what it looked at; an error has a message in its place.
  if (answer.metadata?.dependencies?.total === undefined) {
    return { notRun: `the registry was asked and did not answer (${answer.message ?? answer.error?.summary})` };
  }
  if (ok) return {};
  const severe = Object.values(answer.vulnerabilities).filter(({ severity }) =>
    ['high', 'critical'].includes(severity),
  );
  throw new Failure(severe.map(({ name, severity, range }) => `${name} ${range}: ${severity}`).join('\n'));
}
