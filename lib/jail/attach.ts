import { native } from '../binding.ts';
import { type DescriptorInfo, listDescriptors } from '../capsule/inventory.ts';
import { notPermitted, workerUnsupported } from '../errors.ts';
import { workerThreads } from '../runtime-modules.ts';

const isDirectory = ({ kind }: DescriptorInfo) => kind === 'directory';

/** Throws when a directory of the program's is open: the kernel refuses to jail a process that holds a way out. */
export function checkNoWaysOut(syscall: string): void {
  const theirs = listDescriptors().filter((descriptor) => isDirectory(descriptor) && descriptor.owner !== 'runtime');
  if (theirs.length > 0) {
    const names = theirs.map(({ fd, path }) => `${fd} (${path ?? 'path unknown'})`);
    throw notPermitted(
      syscall,
      `A process with an open directory may not enter a jail. Close first: ${names.join(', ')}`,
    );
  }
}

/** Makes sure that no directory is open. */
function closeWaysOut(syscall: string): void {
  checkNoWaysOut(syscall);
  // libuv keeps a directory open for its number alone; any other file does as well.
  for (const { fd } of listDescriptors().filter(isDirectory)) native('close').retireDescriptor(fd);
}

let attachedTo: { readonly jid: number; readonly name: string } | undefined;

/** The jail that this process entered through this thread of the program: from inside, the kernel does not tell. */
export function enteredJail(): { readonly jid: number; readonly name: string } | undefined {
  return attachedTo;
}

/** Moves this process into a jail by `attach`, one of the calls for it, which says which jail it was. */
export function attachProcess(syscall: string, attach: () => { readonly jid: number; readonly name: string }): void {
  if (!workerThreads().isMainThread) throw workerUnsupported('attach()');
  native(syscall);
  closeWaysOut(syscall);
  attachedTo = attach();
  // The kernel has put the process there; the runtime remembers where it was before. It is in the jail from here on: an
  // error would say that it is not.
  try {
    process.chdir('/');
  } catch {
    // A root that this user may not search: process.cwd() is as wrong as every path is.
  }
}
