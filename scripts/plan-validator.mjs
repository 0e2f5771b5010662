// Compiles the schema of capsule plans to dist/cli/plan-validator.js, a module that needs nothing.
//
// Here and not when `capsule` runs: the package keeps having no dependencies, and a program that is to be trusted as root
// makes no code of what it reads.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inProject } from './project.mjs';
import { Failure } from './run-command.mjs';

const require = createRequire(import.meta.url);

export function compilePlanValidator() {
  // Here, because the dependencies are not installed yet when this is imported.
  const { Ajv } = require('ajv');
  const { default: standaloneCode } = require('ajv/dist/standalone');
  const schema = JSON.parse(readFileSync(inProject('schema/capsule-plan.schema.json'), 'utf8'));
  const ajv = new Ajv({
    strict: true,
    // A user is a name or a number.
    allowUnionTypes: true,
    // A reviewer wants to see all that is wrong, not the first of it.
    allErrors: true,
    // With each error the part of the schema that it is about: messages say what that takes.
    verbose: true,
    code: { source: true, esm: true },
  });
  const code = standaloneCode(ajv, { validate: ajv.addSchema(schema, 'plan') && 'plan' });
  if (/\brequire\(|\bimport\b/.test(code)) throw new Failure('The compiled plan validator would need ajv to run');
  mkdirSync(inProject('dist/cli'), { recursive: true });
  writeFileSync(inProject('dist/cli/plan-validator.js'), `${code}\n`);
}
