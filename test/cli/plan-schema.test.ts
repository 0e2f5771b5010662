/**
 * The schema, its compiled validator, the TypeScript type and the kernel's table say the same of capsule plans. The
 * validator is made of the schema; the others are asked here.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { type CapsulePlan, jailParameters, type PlannedJail } from 'freebsd-capsule';
import { afterAll, describe, expect, test } from 'vitest';
import { kernelProblems, schemaProblems, validate } from '../../lib/cli/plan-problems.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const schemaText = readFileSync(new URL('../../schema/capsule-plan.schema.json', import.meta.url), 'utf8');

type Arbitraries<Type> = { readonly [Key in keyof Type]-?: fc.Arbitrary<Exclude<Type[Key], undefined>> };

const text = fc.constantFrom('x', 'a.example', 'a b', 'ä', '1');
const system = fc.constantFrom('disable', 'new', 'inherit');
const int = fc.integer({ min: 0, max: 1000 });
const ids = fc.oneof(text, int);
const amount = fc.integer({ min: 0, max: 2 ** 40 });
const limit = fc.oneof(amount, fc.record({ soft: amount, hard: amount }));
const grade = fc.constantFrom('enforced', 'evident', 'open');
const adversaries = { inside: grade, unprivileged: grade, outerRoot: grade, hostRoot: grade };
const requirement = fc.oneof(grade, fc.record(adversaries, { requiredKeys: [] }));
const requirements: Arbitraries<Required<CapsulePlan>['require']> = {
  unseal: requirement,
  attach: requirement,
  see: requirement,
  signal: requirement,
  debug: requirement,
  reschedule: requirement,
  weaken: requirement,
  fileSystem: requirement,
  outlive: requirement,
};
const metadata = fc.dictionary(fc.constantFrom('k', 'key 2'), text, { noNullPrototype: true });

/** Parameters that the type knows by a pattern, which `keyof` cannot list. */
type Patterned = `meta.${string}` | `env.${string}`;
type Listed = { [Name in keyof PlannedJail as Name extends Patterned ? never : Name]: PlannedJail[Name] };

// A property that the type has and these lack does not compile; one that the schema lacks makes them invalid.
const jailParts: Arbitraries<Listed> = {
  jid: fc.integer({ min: 1, max: 999_999 }),
  name: text,
  path: fc.constantFrom('/', '/jails/x'),
  osreldate: int,
  osrelease: text,
  devfs_ruleset: int,
  vnet: system,
  host: system,
  'host.hostname': text,
  'host.domainname': text,
  'host.hostuuid': text,
  'host.hostid': int,
  ip4: system,
  'ip4.addr': fc.constantFrom([], ['192.0.2.1'], ['192.0.2.1', '192.0.2.2']),
  'ip4.saddrsel': fc.boolean(),
  ip6: system,
  'ip6.addr': fc.constantFrom([], ['2001:db8::1']),
  'ip6.saddrsel': fc.boolean(),
  meta: metadata,
  env: metadata,
  sysvmsg: system,
  sysvsem: system,
  sysvshm: system,
  linux: system,
  'linux.osname': text,
  'linux.osrelease': text,
  'linux.oss_version': int,
  zfs: system,
  'zfs.mount_snapshot': int,
  'mac.do': system,
  'mac.do.rules': text,
};
const patterned = fc.record({ 'meta.key': text, 'env.key': text }, { requiredKeys: [] });
const jail = fc
  .tuple(fc.record(jailParts, { requiredKeys: ['path'] }), patterned)
  .map(([listed, more]): PlannedJail => ({ ...listed, ...more }) as PlannedJail);

const planParts: Arbitraries<CapsulePlan> = {
  $schema: text,
  version: fc.constant(1),
  jail,
  allow: fc.constantFrom([], ['allow.raw_sockets'], ['allow.mount', 'allow.mount.tmpfs']),
  securelevel: fc.integer({ min: -1, max: 3 }),
  capabilityMode: fc.boolean(),
  require: fc.record(requirements, { requiredKeys: [] }),
  cwd: text,
  env: fc.dictionary(fc.constantFrom('PATH', 'HOME'), text, { noNullPrototype: true }),
  user: ids,
  group: ids,
  groups: fc.array(ids, { maxLength: 3 }),
  limits: fc.record(
    {
      as: limit,
      cpu: limit,
      data: limit,
      fsize: limit,
      memlock: limit,
      nofile: limit,
      nproc: limit,
      rss: limit,
      stack: limit,
    },
    { requiredKeys: [] },
  ),
};
const plan: fc.Arbitrary<CapsulePlan> = fc.record(planParts, { requiredKeys: ['version', 'jail'] });

/** Values of every kind of JSON, and ones that are nearly right. */
const anything = fc.constantFrom<unknown>(0, 1, true, 'x', 'new', null, [], ['x'], [1], {}, { x: 'y' }, { soft: 1 });

/** Spoils a plan, perhaps: puts another value somewhere, leaves something out, or adds something. */
function spoil(original: CapsulePlan, where: number, how: 'replace' | 'remove' | 'add', value: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(original)) as unknown;
  const places: [holder: Record<string, unknown>, key: string][] = [];
  const walk = (holder: unknown) => {
    if (typeof holder !== 'object' || holder === null) return;
    for (const [key, inner] of Object.entries(holder)) {
      places.push([holder as Record<string, unknown>, key]);
      walk(inner);
    }
  };
  walk(copy);
  const place = places[where % places.length];
  if (place === undefined) return copy;
  const [holder, key] = place;
  if (how === 'remove' && !Array.isArray(holder)) delete holder[key];
  else if (how === 'add' && !Array.isArray(holder)) holder.addition = value;
  else holder[key] = value;
  return copy;
}
const spoiled = fc
  .tuple(plan, fc.nat(), fc.constantFrom('replace', 'remove', 'add'), anything)
  .map((parts) => spoil(...parts));

describe('the validator', () => {
  test('takes every plan that the type allows and this test knows to make', () => {
    fc.assert(
      fc.property(plan, (value) => {
        expect(schemaProblems(value)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('says of any JSON that it is a plan or what is wrong, and so does the kernel of a plan', () => {
    fc.assert(
      fc.property(fc.oneof(spoiled, fc.jsonValue()), (value) => {
        const before = JSON.stringify(value);
        const problems = schemaProblems(value);
        expect(problems.length === 0).toBe(validate(value));
        for (const { message } of problems) expect(message).toMatch(/./);
        if (problems.length === 0)
          for (const { message } of kernelProblems(value as CapsulePlan)) expect(message).toMatch(/./);
        // Neither fills in what is left out.
        expect(JSON.stringify(value)).toBe(before);
      }),
      { numRuns: 1000 },
    );
  });

  test('is what ajv makes of the published schema, which is a valid one', () => {
    const ajv = new Ajv({ strict: true, allowUnionTypes: true });
    const schema = JSON.parse(schemaText) as object;
    expect(ajv.validateSchema(schema)).toBe(true);
    const published = ajv.compile(schema);
    fc.assert(
      fc.property(spoiled, (value) => {
        expect(validate(value)).toBe(published(value));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the type', () => {
  const folder = `${root}build/plan-types`;
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('fits what the validator takes, and not what it refuses for its form', () => {
    // Ranges and patterns are beyond TypeScript.
    const FORM = ['type', 'enum', 'const', 'required', 'additionalProperties'];
    const documents = fc
      .sample(fc.oneof(plan, spoiled), { numRuns: 600, seed: 6 })
      .map((value) => JSON.stringify(value));
    let refused = 0;
    const lines = documents.flatMap((document, index) => {
      const valid = validate(JSON.parse(document));
      if (!valid && !validate.errors?.some(({ keyword }) => FORM.includes(keyword))) return [];
      if (!valid) refused++;
      return [valid ? '' : '// @ts-expect-error', `export const plan${index}: CapsulePlan = ${document};`];
    });
    expect(refused).toBeGreaterThan(100);
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/plans.ts`, `import type { CapsulePlan } from 'freebsd-capsule';\n${lines.join('\n')}\n`);
    const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', '--ignoreConfig'];
    const modules = [
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable',
      '--types',
      'node',
    ];
    const tsc = `${root}node_modules/typescript/bin/tsc`;
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, ...modules, `${folder}/plans.ts`], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });
});

test('the schema has every parameter of the kernel that can be given to a new jail, but what the seal sets', () => {
  const { properties } = (JSON.parse(schemaText) as { properties: { jail: { properties: object } } }).properties.jail;
  const kernels = jailParameters()
    .filter(({ name, access }) => access !== 'never' && !name.startsWith('allow.'))
    .map(({ name }) => name)
    .filter((name) => !['persist', 'securelevel', 'children.max', 'enforce_statfs'].includes(name));
  const missing = kernels.filter((name) => !Object.hasOwn(properties, name));
  expect(missing).toEqual([]);
});
