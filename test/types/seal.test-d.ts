import type { FileHandle } from 'node:fs/promises';
import type http from 'node:http';
import type http2 from 'node:http2';
import type https from 'node:https';
import type net from 'node:net';
import {
  type Capability,
  type Capsule,
  type DescriptorInfo,
  type Kernel,
  kernel,
  listDescriptors,
  Rights,
  type SealedDescriptor,
  type SealPlan,
  type SealStep,
  seal,
} from 'freebsd-capsule';
import { describe, expectTypeOf, test } from 'vitest';

describe('a plan', () => {
  test('has servers of every kind', () => {
    const servers = {} as [net.Server, http.Server, https.Server, http2.Http2Server, http2.Http2SecureServer];
    expectTypeOf<typeof servers>().toExtend<NonNullable<SealPlan['servers']>>();
    expectTypeOf<number[]>().toExtend<NonNullable<SealPlan['servers']>>();
    expectTypeOf<Set<net.Server>>().toExtend<NonNullable<SealPlan['servers']>>();
    expectTypeOf<net.Server>().not.toExtend<NonNullable<SealPlan['servers']>>();
    expectTypeOf<string[]>().not.toExtend<NonNullable<SealPlan['servers']>>();
  });

  test('has sockets and descriptors', () => {
    expectTypeOf<net.Socket[]>().toExtend<NonNullable<SealPlan['sockets']>>();
    expectTypeOf<string[]>().not.toExtend<NonNullable<SealPlan['sockets']>>();
    const handle = {} as FileHandle;
    const capability = {} as Capability<'read'>;
    const plan: SealPlan = {
      descriptors: [
        { fd: handle, rights: ['read'] },
        { fd: capability, rights: Rights.of('read') },
        { fd: 5, rights: ['ioctl', 'fcntl'], ioctls: 'all', fcntls: ['getfl'] },
        { fd: 6, rights: ['ioctl'], ioctls: ['FIONREAD', 5] },
      ],
    };
    expectTypeOf(plan).toExtend<Parameters<typeof seal>[0]>();
    // @ts-expect-error: what is it to keep?
    seal({ descriptors: [{ fd: 5 }] });
    // @ts-expect-error: no right of rights(4)
    seal({ descriptors: [{ fd: 5, rights: ['nope'] }] });
    // @ts-expect-error: no such ioctl
    seal({ descriptors: [{ fd: 5, rights: ['ioctl'], ioctls: ['NOPE'] }] });
    // @ts-expect-error: no such command
    seal({ descriptors: [{ fd: 5, rights: ['fcntl'], fcntls: ['nope'] }] });
  });

  test('has nothing else', () => {
    // @ts-expect-error: a slip
    seal({ server: [] });
    // @ts-expect-error: one of three
    seal({ unlisted: 'keep' });
    // @ts-expect-error: a boolean
    seal({ coreDumps: 0 });
    // @ts-expect-error: milliseconds
    seal({ drainTimeout: '5s' });
    // @ts-expect-error: functions
    seal({ prewarm: [5] });
    // @ts-expect-error: an object
    seal(5);
    // @ts-expect-error: read-only, since it is read more than once
    ({}) as SealPlan['unlisted'] satisfies { write: true };
  });

  test('may be left out', () => {
    expectTypeOf(seal).toBeCallableWith();
    expectTypeOf(seal).toBeCallableWith({});
    expectTypeOf(seal).toBeCallableWith({ user: 'www', group: 80, prewarm: [async () => {}, () => 5] });
  });
});

describe('what comes back', () => {
  test('is a promise of a capsule with a report', async () => {
    expectTypeOf(seal).returns.toEqualTypeOf<Promise<Capsule>>();
    expectTypeOf<Capsule['report']['steps']>().toEqualTypeOf<readonly SealStep[]>();
    expectTypeOf<Capsule['report']['descriptors']>().toEqualTypeOf<readonly SealedDescriptor[]>();
    expectTypeOf<SealedDescriptor['before']>().toEqualTypeOf<DescriptorInfo>();
    expectTypeOf<SealStep['state']>().toEqualTypeOf<'done' | 'left' | 'failed' | 'not begun'>();
  });

  test('an inventory whose entries cannot be changed', () => {
    expectTypeOf(listDescriptors()).toEqualTypeOf<DescriptorInfo[]>();
    const [first] = listDescriptors();
    expectTypeOf(first).toEqualTypeOf<DescriptorInfo | undefined>();
    // @ts-expect-error: read-only
    if (first !== undefined) first.fd = 3;
    // @ts-expect-error: no such kind
    first?.kind === 'folder';
  });

  test('the kernel', () => {
    expectTypeOf(kernel).toEqualTypeOf<Kernel>();
    expectTypeOf(kernel.kind).toEqualTypeOf<'freebsd' | 'simulated' | 'none'>();
    // @ts-expect-error: read-only
    kernel.kind = 'freebsd';
  });
});
