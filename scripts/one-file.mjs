// Makes dist/ of the compiled modules of lib/: those that importing the package loads become one file, dist/package.js, and
// each of them a list of what it exports from there. Loading a file costs Node more than running what is in it.
//
// Who imports a module by its own name (the simulation, the command, the test of a module) gets what is in the one file, not
// a second copy of it: what is tested is what is published.

import { cpSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { inProject } from './project.mjs';
import { Failure } from './run-command.mjs';

const COMPILED = inProject('build/lib');
const DIST = inProject('dist');
const ONE_FILE = 'package.js';
const ENTRY = 'index.js';

const asSpecifier = (path) => (path.startsWith('.') ? path : `./${path}`);
const exportList = (from, names) => `export { ${names.join(', ')} } from '${from}';\n`;
const nameInOneFile = ({ path, name }) => `${path.slice(0, -'.js'.length).replace(/\W/g, '_')}$${name}`;

const options = {
  external: /^node:/,
  // All of it is there for the tests of the modules, and stays as it was compiled.
  treeshake: false,
  onwarn({ code, message }) {
    // As in the modules by themselves: they use each other when all are loaded, not while.
    if (code === 'CIRCULAR_DEPENDENCY') return;
    throw new Failure(`Making ${ONE_FILE}: ${message}`);
  },
};

/** The modules that importing the package loads, each with the names that it exports. The package's own comes first. */
async function modulesLoaded({ rollup }) {
  const modules = [];
  const learn = {
    name: 'learn',
    buildEnd() {
      for (const id of this.getModuleIds()) {
        const info = this.getModuleInfo(id);
        if (!info.isExternal) modules.push({ path: relative(COMPILED, id), names: info.exports });
      }
    },
  };
  await (await rollup({ ...options, input: join(COMPILED, ENTRY), plugins: [learn] })).close();
  return modules.sort((a, b) => Number(b.path === ENTRY) - Number(a.path === ENTRY));
}

export async function makeDist() {
  // Here, because the dependencies are not installed yet when this is imported.
  const tool = await import('rollup');
  const modules = (await modulesLoaded(tool)).filter(({ names }) => names.length > 0);
  cpSync(COMPILED, DIST, { recursive: true });

  const everything = {
    name: 'everything',
    resolveId: (id) => (id === 'everything' ? id : undefined),
    load: (id) =>
      id === 'everything'
        ? modules
            .map(({ path, names }) =>
              exportList(
                join(COMPILED, path),
                names.map((name) => `${name} as ${nameInOneFile({ path, name })}`),
              ),
            )
            .join('')
        : undefined,
  };
  const bundle = await tool.rollup({ ...options, input: 'everything', plugins: [everything] });
  await bundle.write({ file: join(DIST, ONE_FILE), format: 'es' });
  await bundle.close();

  for (const { path, names } of modules) {
    const from = asSpecifier(relative(dirname(path), ONE_FILE));
    const list = exportList(
      from,
      names.map((name) => `${nameInOneFile({ path, name })} as ${name}`),
    );
    writeFileSync(join(DIST, path), list);
  }
}
