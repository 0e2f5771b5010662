/**
 * Where the compiled programs are that tests start as processes of their own. A test runs as TypeScript (vitest, from
 * test/) or compiled (from build/test/ or the bundle's test/, both laid out as build/ is).
 */

import { fileURLToPath } from 'node:url';

const compiledRoot = new URL(import.meta.url.endsWith('.ts') ? '../../build/' : '../../', import.meta.url);

/** Returns the path of a compiled file, named as it is in the project: `compiled('examples/sealed-http-server.js')`. */
export function compiled(path: string): string {
  return fileURLToPath(new URL(path, compiledRoot));
}
