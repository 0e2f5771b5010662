/**
 * Modules of the runtime's that take their time to load, and that importing the package needs none of. They are loaded by the
 * first call that needs them, in capability mode too: they are in the runtime's program, no path is opened for them.
 */

import type { Cluster } from 'node:cluster';

// Its types tell of a module with a default export; the runtime gives that itself.
export const cluster = () => process.getBuiltinModule('node:cluster') as unknown as Cluster;
export const console = () => process.getBuiltinModule('node:console');
export const module = () => process.getBuiltinModule('node:module');
export const net = () => process.getBuiltinModule('node:net');
export const readline = () => process.getBuiltinModule('node:readline');
export const stream = () => process.getBuiltinModule('node:stream');
export const timersPromises = () => process.getBuiltinModule('node:timers/promises');
export const webStreams = () => process.getBuiltinModule('node:stream/web');
export const workerThreads = () => process.getBuiltinModule('node:worker_threads');
