import { isMainThread } from 'node:worker_threads';
import { native } from '../binding.ts';
import { type DescriptorInfo, listDescriptors } from '../capsule/inventory.ts';
import { notPermitted, workerUnsupported } from '../errors.ts';

const isDirectory = ({ kind }: DescriptorInfo) => kind === 'directory';

/** Makes sure that no directory is open: the kernel refuses to jail a process that holds a way out. */
function closeWaysOut(syscall: string): void {
  const theirs = listDescriptors().filter((descriptor) => isDirectory(descriptor) && descriptor.owner !== 'runtime');
  if (theirs.length > 0) {
    const names = theirs.map(({ fd, path }) => `${fd} (${path ?? 'path unknown'})`);
    throw notPermitted(
      syscall,
      `A process with an open directory may not enter a jail. Close first: ${names.join(', ')}`,
    );
  }
  // libuv keeps a directory open for its number alone; any other file does as well.
  for (const { fd } of listDescriptors().filter(isDirectory)) native('close').retireDescriptor(fd);
}

let attachedTo: { readonly jid: number; readonly name: string } | undefined;

/** The jail that this process entered through this thread of the program: from inside, the kernel does not tell. */
export function enteredJail(): { readonly jid: number; readonly name: string } | undefined {
  return attachedTo;
}

/** Moves this process into a jail by `attach`, one of the two calls for it. */
export function attachProcess(jid: number, name: string, syscall: string, attach: () => void): void {
  if (!isMainThread) throw workerUnsupported('attach()');
  native(syscall);
  closeWaysOut(syscall);
  attach();
  attachedTo = { jid, name };
  // The kernel has put the process there; the runtime remembers where it was before.
  process.chdir('/');
}
