import type { Holder } from '../interception.ts';

/**
 * Gives one of Node's own native modules, on which every public call of its subject ends. Refusing there, and not in
 * the public functions, leaves it to Node itself to form each error, in streams, promises and callbacks alike, and
 * reaches code that took hold of a public function before the simulation was asked for.
 *
 * Throws where Node does not hand it out: a simulation with holes would be worse than none.
 */
export function nodeBinding(name: string): Holder {
  const { binding } = process as unknown as { binding?: (name: string) => Holder };
  if (typeof binding !== 'function') {
    throw new Error(
      `The simulated kernel cannot reach the calls of this Node (${process.version}): no process.binding`,
    );
  }
  return binding.call(process, name);
}

/** Gives the prototype of a class of one of Node's native modules. */
export function bindingPrototype(name: string, className: string): Holder {
  const found = nodeBinding(name)[className];
  if (typeof found !== 'function') {
    throw new Error(`The simulated kernel does not know this Node (${process.version}): ${name} has no ${className}`);
  }
  return found.prototype as Holder;
}
