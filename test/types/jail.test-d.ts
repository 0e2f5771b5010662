import { Jail, type JailDescriptor, type JailEvent, type JailParameters } from 'freebsd-capsule';
import { expectTypeOf, test } from 'vitest';

declare const jail: Jail;

test('what is read has the types of what was named', () => {
  expectTypeOf(jail.get('name', 'ip4.addr', 'host.hostid')).toEqualTypeOf<{
    readonly name: string;
    readonly 'ip4.addr': readonly string[];
    readonly 'host.hostid': bigint;
  }>();
  expectTypeOf(jail.get('allow.raw_sockets')['allow.raw_sockets']).toEqualTypeOf<boolean>();
  expectTypeOf(jail.get('meta.owner')['meta.owner']).toEqualTypeOf<string | null>();
  // @ts-expect-error no such parameter
  jail.get('hostname');
});

test('what is written must fit', () => {
  Jail.create({ name: 'a', 'allow.mount.zfs': true, 'host.hostid': 5, 'meta.k': 'v', 'ip6.addr': ['::1'] });
  // @ts-expect-error a list of addresses
  Jail.create({ 'ip4.addr': '192.0.2.1' });
  // @ts-expect-error a boolean
  Jail.create({ 'allow.raw_sockets': 1 });
  // @ts-expect-error no such parameter
  Jail.create({ hostname: 'x' });
  // @ts-expect-error read-only
  Jail.create({ dying: true });
  // @ts-expect-error fixed at creation
  jail.set({ path: '/' });
  // @ts-expect-error one of three
  jail.set({ host: 'own' });
  const parameters: JailParameters = { persist: undefined };
  jail.set(parameters.persist === undefined ? {} : { persist: parameters.persist });
});

test('owned or not is known from the options', () => {
  expectTypeOf(Jail.create({})).toEqualTypeOf<Jail>();
  expectTypeOf(Jail.create({}, { owned: true })).toEqualTypeOf<JailDescriptor>();
  expectTypeOf(Jail.create({}, { owned: false })).toEqualTypeOf<Jail>();
  expectTypeOf(Jail.create({}, { owned: true as boolean })).toEqualTypeOf<Jail | JailDescriptor>();
  expectTypeOf(Jail.current()).toEqualTypeOf<Jail | undefined>();
});

test('events say what they have', () => {
  expectTypeOf(jail.watch()).toEqualTypeOf<AsyncIterableIterator<JailEvent, undefined>>();
  const pidOf = (event: JailEvent) => (event.type === 'attach' ? event.pid : undefined);
  expectTypeOf(pidOf).returns.toEqualTypeOf<number | undefined>();
});
