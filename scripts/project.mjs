// Where the project is: every script works from its root, whatever the caller's directory.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export const inProject = (...path) => join(root, ...path);
