/** Any function, seen from outside: the interceptors pass arguments on and look only at those they know. */
export type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

/** Any object whose methods are replaced by name. */
export type Holder = Record<PropertyKey, unknown>;

/**
 * Replaces a method by what `make` returns for it. Name, length and own properties (`util.promisify.custom`,
 * `memoryUsage.rss` …) stay. A method that this version of the runtime does not have is left alone: the tables name
 * the calls of several versions.
 */
export function replaceMethod(holder: object, name: PropertyKey, make: (original: AnyFunction) => AnyFunction): void {
  const original = (holder as Holder)[name];
  if (typeof original !== 'function') return;
  const replacement = make(original as AnyFunction);
  for (const key of Reflect.ownKeys(original)) {
    const property = Object.getOwnPropertyDescriptor(original, key);
    const mine = Object.getOwnPropertyDescriptor(replacement, key);
    if (property !== undefined && mine?.configurable !== false) Object.defineProperty(replacement, key, property);
  }
  const place = Object.getOwnPropertyDescriptor(holder, name);
  if (place?.configurable === false) {
    // Bun's global: its functions can be assigned, not redefined.
    (holder as Holder)[name] = replacement;
    return;
  }
  Object.defineProperty(holder, name, {
    value: replacement,
    writable: true,
    configurable: true,
    enumerable: place?.enumerable ?? true,
  });
}

/** Acts once a call has come back: at once, or when the promise that it returned is kept. */
export function afterwards(result: unknown, act: () => void): void {
  if (result instanceof Promise) result.then(act, () => {});
  else act();
}

/**
 * Replaces each named method so that `refuse` is asked first. What `refuse` returns inside an array is the answer of
 * the call; `undefined` lets the call through. It refuses by throwing where the real call would throw.
 */
export function refuseMethods(
  holder: object,
  names: readonly PropertyKey[],
  refuse: (name: PropertyKey, self: unknown, args: readonly unknown[]) => readonly [answer: unknown] | undefined,
): void {
  for (const name of names) {
    replaceMethod(
      holder,
      name,
      (original) =>
        function (this: unknown, ...args) {
          const answer = refuse(name, this, args);
          return answer === undefined ? Reflect.apply(original, this, args) : answer[0];
        },
    );
  }
}
