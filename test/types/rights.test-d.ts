import {
  Capability,
  type FcntlCommand,
  getFcntls,
  getIoctls,
  getRights,
  type Implied,
  type IoctlCommand,
  type IoctlName,
  limitFcntls,
  limitIoctls,
  limitRights,
  type Parts,
  RIGHTS,
  type Right,
  Rights,
} from 'freebsd-capsule';
import { describe, expectTypeOf, test } from 'vitest';

describe('Right', () => {
  test('is a union of names, not any string', () => {
    expectTypeOf<'read'>().toExtend<Right>();
    expectTypeOf<'sock_server'>().toExtend<Right>();
    expectTypeOf<'inotify_add'>().toExtend<Right>();
    expectTypeOf<'nope'>().not.toExtend<Right>();
    expectTypeOf<'READ'>().not.toExtend<Right>();
    expectTypeOf<string>().not.toExtend<Right>();
    expectTypeOf(RIGHTS).toEqualTypeOf<readonly Right[]>();
  });

  test('knows what it brings along', () => {
    expectTypeOf<Implied<'pread'>>().toEqualTypeOf<'pread' | 'read' | 'seek' | 'seek_tell' | 'recv'>();
    expectTypeOf<Implied<'fstat'>>().toEqualTypeOf<'fstat'>();
    expectTypeOf<Implied<'mkdirat'>>().toEqualTypeOf<'mkdirat' | 'lookup'>();
    expectTypeOf<Implied<'seek' | 'read'>>().toEqualTypeOf<Implied<'pread'>>();
    expectTypeOf<'connect'>().not.toExtend<Implied<'sock_server'>>();
  });
});

describe('Rights', () => {
  test('of() infers its names', () => {
    expectTypeOf(Rights.of('read', 'fstat')).toEqualTypeOf<Rights<'read' | 'fstat'>>();
    expectTypeOf(Rights.of()).toEqualTypeOf<Rights<never>>();
    expectTypeOf(Rights.NONE).toEqualTypeOf<Rights<never>>();
    // @ts-expect-error: no right of rights(4)
    Rights.of('read', 'nope');
    // @ts-expect-error: names, not a list of them
    Rights.of(['read']);
    // @ts-expect-error: not any string
    Rights.of('read' as string);
  });

  test('from() takes sets and lists', () => {
    expectTypeOf(Rights.from(['read', 'write'])).toEqualTypeOf<Rights<'read' | 'write'>>();
    expectTypeOf(Rights.from(Rights.of('read'))).toEqualTypeOf<Rights<'read'>>();
    // @ts-expect-error: no right of rights(4)
    Rights.from(['nope']);
    // @ts-expect-error: a string is not a list of names
    Rights.from('read');
  });

  test('the algebra is in the types', () => {
    expectTypeOf(Rights.of('read').with('write')).toEqualTypeOf<Rights<'read' | 'write'>>();
    expectTypeOf(Rights.of('read').union(Rights.of('write'))).toEqualTypeOf<Rights<'read' | 'write'>>();
    expectTypeOf(Rights.of('pread').without('seek')).toEqualTypeOf<Rights<'read'>>();
    expectTypeOf(Rights.of('pread').intersection(Rights.of('read', 'fstat'))).toEqualTypeOf<Rights<'read'>>();
    expectTypeOf(Rights.of('pread').difference(Rights.of('read'))).toEqualTypeOf<Rights<'seek' | 'seek_tell'>>();
    expectTypeOf(Rights.of('read').without('read')).toEqualTypeOf<Rights<never>>();
    // Taking the part away leaves nothing that has the name.
    expectTypeOf(Rights.of('mkdirat').without('lookup')).toEqualTypeOf<Rights<never>>();
  });

  test('questions take any set', () => {
    expectTypeOf(Rights.of('read').isSubsetOf(Rights.of('write'))).toEqualTypeOf<boolean>();
    expectTypeOf(Rights.of('read').equals(Rights.NONE)).toEqualTypeOf<boolean>();
    // @ts-expect-error: no right of rights(4)
    Rights.of('read').has('nope');
    // @ts-expect-error: a list is not a set
    Rights.of('read').isSubsetOf(['read']);
  });

  test('iterating gives names of the set', () => {
    expectTypeOf([...Rights.of('pread')]).toEqualTypeOf<('read' | 'seek')[]>();
    expectTypeOf(Rights.of('fstat').toJSON()).toEqualTypeOf<'fstat'[]>();
  });

  test('cannot be built by hand', () => {
    // @ts-expect-error: private
    new Rights(0n);
    // @ts-expect-error: read-only
    Rights.of('read').size = 2;
    // Any set is a set.
    expectTypeOf<Rights<'read'>>().toExtend<Rights>();
    // A set of fewer rights is not one of more.
    expectTypeOf<Rights<'read'>>().not.toEqualTypeOf<Rights<'write'>>();
  });
});

describe('Capability', () => {
  const wide = Capability.of(5, Rights.of('pread', 'fstat'));

  test('has the rights it was given', () => {
    expectTypeOf(wide).toEqualTypeOf<Capability<'read' | 'seek' | 'fstat'>>();
    expectTypeOf(wide.fd).toEqualTypeOf<number>();
    expectTypeOf(wide.rights).toEqualTypeOf<Rights>();
    expectTypeOf(wide).toExtend<Disposable>();
    // @ts-expect-error: read-only
    wide.fd = 3;
    // @ts-expect-error: private
    new Capability(3);
    // @ts-expect-error: a list has no type to keep
    Capability.of(5, ['read']);
  });

  test('can be narrowed, to what a composite brings along too', () => {
    expectTypeOf(wide.limit(Rights.of('read'))).toEqualTypeOf<Capability<'read'>>();
    expectTypeOf(wide.limit(Rights.of('seek', 'fstat'))).toEqualTypeOf<Capability<'seek' | 'fstat'>>();
    expectTypeOf(wide.limit(Rights.NONE)).toEqualTypeOf<Capability<never>>();
    expectTypeOf(Capability.of(5, Rights.of('read', 'seek')).limit(Rights.of('pread'))).toEqualTypeOf<
      Capability<'read' | 'seek'>
    >();
  });

  test('cannot be widened', () => {
    // @ts-expect-error: write is not among them
    wide.limit(Rights.of('write'));
    // @ts-expect-error: nor together with what is
    wide.limit(Rights.of('read', 'write'));
    // @ts-expect-error: nor as part of a composite
    wide.limit(Rights.of('mmap_r'));
    // @ts-expect-error: the second step has only the first's
    wide.limit(Rights.of('read')).limit(Rights.of('fstat'));
    // @ts-expect-error: nobody knows what this one has
    wide.limit(getRights(5));
  });

  test('one of fewer rights does not pass for one of more', () => {
    const needsWrite = (_: Capability<'write'>) => {};
    const readOnly = Capability.of(5, Rights.of('read'));
    // @ts-expect-error: it cannot be written
    needsWrite(readOnly);
    needsWrite(Capability.of(5, Rights.of('write')));
    needsWrite(Capability.of(5, Rights.of('read', 'write')));
    const needsBoth = (_: Capability<'read' | 'write'>) => {};
    // @ts-expect-error: it can only be read
    needsBoth(readOnly);
    const needsPread = (_: Capability<Parts<'pread'>>) => {};
    needsPread(Capability.of(5, Rights.of('pread', 'fstat')));
    // @ts-expect-error: it cannot be sought
    needsPread(readOnly);
  });
});

describe('functions on descriptors', () => {
  test('take names that there are', () => {
    limitRights(5, ['read', 'write']);
    limitRights({ fd: 5 }, Rights.of('read'));
    limitIoctls(5, 'all');
    limitIoctls(5, ['FIONREAD', 0x1234]);
    limitFcntls(5, ['getfl']);
    // @ts-expect-error: no right of rights(4)
    limitRights(5, ['nope']);
    // @ts-expect-error: a list, not a name
    limitRights(5, 'read');
    // @ts-expect-error: no such ioctl
    limitIoctls(5, ['NOPE']);
    // @ts-expect-error: only 'all' is a word for many
    limitIoctls(5, 'none');
    // @ts-expect-error: no such command
    limitFcntls(5, ['F_GETFL']);
    // @ts-expect-error: fcntls have no 'all'
    limitFcntls(5, 'all');
    // @ts-expect-error: no descriptor
    getRights('5');
    // @ts-expect-error: no descriptor
    getRights({});
    // @ts-expect-error: a closed handle of somebody has none
    getRights({ fd: undefined });
  });

  test('answer with names', () => {
    expectTypeOf(getRights(5)).toEqualTypeOf<Rights>();
    expectTypeOf(getIoctls(5)).toEqualTypeOf<'all' | readonly IoctlCommand[]>();
    expectTypeOf(getFcntls(5)).toEqualTypeOf<readonly FcntlCommand[]>();
    expectTypeOf<FcntlCommand>().toEqualTypeOf<'getfl' | 'setfl' | 'getown' | 'setown'>();
    expectTypeOf<'FIONBIO'>().toExtend<IoctlName>();
    expectTypeOf<IoctlCommand>().toEqualTypeOf<IoctlName | number>();
  });
});
