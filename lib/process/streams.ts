import type { Socket } from 'node:net';
import { net } from '../runtime-modules.ts';

/**
 * Makes a stream of this process's end of a socket pair. The stream owns the descriptor.
 *
 * In the runtime's own event loop, not by reads on its thread pool: those would wait there for a child that is silent,
 * and seal() waits for them.
 */
export function streamOf(fd: number, direction: 'read' | 'write'): Socket {
  if (process.versions.bun !== undefined) {
    // Bun's constructor takes a descriptor and does nothing with it; its connect() takes over one that is connected.
    return net().connect({ fd } as unknown as { path: string });
  }
  return new (net().Socket)({ fd, readable: direction === 'read', writable: direction === 'write' });
}
