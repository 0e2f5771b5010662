/**
 * Arguments that each public function is likely to take. What comes about at random hardly ever gets past the checks of
 * arguments, and what lies behind them would be called by nobody.
 */

import type fc from 'fast-check';
import type * as capsule from 'freebsd-capsule';

/** What arguments are made with. */
interface Workshop {
  /** The folder that is furnished for each call. */
  readonly home: string;
  /** Whether this process can have jails. */
  readonly jails: boolean;
  /** The signal that is known to be aborted: what it says is the caller's own. */
  readonly aborted: AbortSignal;
  /** An argument that is made for the one call: what a call limits, takes over or closes stays so. */
  fresh(what: string, make: () => unknown): unknown;
  /** Ends, after the call, what was made for it. */
  endLater(thing: unknown): void;
}

/** Names, and their arguments. A name that is in several rows takes any of them; one that is in none takes none. */
type Row = readonly [names: RegExp, ...args: fc.Arbitrary<unknown>[]];

/** Sent to a child as source text, and so sees nothing of this file. */
export function likelyArguments(
  api: typeof capsule,
  check: typeof fc,
  { home, jails, aborted, fresh, endLater }: Workshop,
): readonly Row[] {
  const fs = process.getBuiltinModule('node:fs');
  const net = process.getBuiltinModule('node:net');
  const { join } = process.getBuiltinModule('node:path');
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;

  /** For the one call. */
  const opening = <Thing>(thing: Thing): Thing => {
    endLater(thing);
    return thing;
  };
  const of = (...values: unknown[]): fc.Arbitrary<unknown> => check.constantFrom(...values);
  const maybe = (arbitrary: fc.Arbitrary<unknown>) => check.option(arbitrary, { nil: undefined, freq: 2 });
  /** An object with some of these. */
  const some = (fields: Record<string, fc.Arbitrary<unknown>>) =>
    check.record(fields, { requiredKeys: [], noNullPrototype: true });
  const list = (arbitrary: fc.Arbitrary<unknown>) => check.array(arbitrary, { minLength: 1, maxLength: 4 });
  const flag = check.boolean();
  const signal = check.oneof(
    { weight: 3, arbitrary: of(fresh('a signal', () => opening(new AbortController().signal))) },
    { weight: 1, arbitrary: of(aborted) },
  );

  // --- Capabilities. ---

  const right = check.constantFrom<capsule.Right>(...api.RIGHTS);
  const rights = check.array(right, { maxLength: 4 }).map((names) => api.Rights.of(...names));
  const rightsLike = check.oneof(rights, check.array(right, { maxLength: 4 }));
  const held = check
    .subarray<capsule.Right>(['pread', 'pwrite', 'fstat', 'event'])
    .map((names) => api.Rights.of(...names));
  const opened = (name: string, flags: string) =>
    fresh(`a descriptor of ${name}`, () => opening(fs.openSync(join(home, name), flags)));
  const file = opened('file', 'r+');
  const descriptor = of(file, { fd: file }, opened('folder', 'r'));
  const ioctls = check.oneof(of('all'), list(of('FIONREAD', 'FIONBIO', 'FIOCLEX', 0x4004667f)));
  const fcntls = check.subarray(['getfl', 'setfl', 'getown', 'setown']);
  const refusal = (code: string, errno: number) =>
    Object.assign(new Error(`${code}: refused, read`), { code, errno, syscall: 'read', fd: 0 });
  const error = of(refusal('ENOTCAPABLE', -93), refusal('ECAPMODE', -94), refusal('ENOENT', -2), new Error('plain'));

  // --- Files. ---

  const aFile = of('file', 'link', './file', Buffer.from('file'));
  const aFolder = of('folder', '.', 'folder/inner', Buffer.from('folder'));
  const aLink = of('link', 'way-out', Buffer.from('link'));
  const present = of('file', 'folder', 'link', 'folder/inner');
  const newName = of('new', 'folder/new', 'folder/inner/new', Buffer.from('new'));
  const mode = of(0o644, 0o700, '600');
  const encoding = of('utf8', 'hex', 'latin1');
  const nameEncoding = of('utf8', 'buffer', 'hex');
  const position = of(0, 1, 7, null);
  const time = of(0, 1e9, 1.5, '12', new Date(5));
  const text = of('content', '', 'äöü');
  const bytes = check.constantFrom(8, 16).map((length) => new Uint8Array(length));
  const pieces = of(['a', Buffer.from('b')], new Set(['c']));
  const into = maybe(some({ into: of(fresh('a directory', () => opening(api.Directory.open(home)))) }));
  const writing = some({ encoding, mode, flag: of('a', 'w', 'r+'), flush: flag, signal });
  const readStream = {
    ...{ encoding, autoClose: flag, emitClose: flag, signal },
    ...{ start: of(0, 2), end: of(4), highWaterMark: of(1, 64) },
  };
  const writeStream = {
    ...{ encoding, autoClose: flag, emitClose: flag, signal },
    ...{ start: of(0, 2), highWaterMark: of(1, 64), flush: flag },
  };
  const listener = fresh('a listening socket', () => {
    opening(net.createServer((socket) => socket.destroy()).listen(join(home, 'socket')));
    return 'socket';
  });

  // --- Processes. ---

  const program = of('/bin/sh', 'sh');
  const programArguments = of(['-c', 'exit 3'], ['-c', ':']);
  const inJail = {
    ...{ argv0: of('name'), cwd: of('/'), env: of({ PATH: '/bin:/usr/bin', NAME: 'value' }) },
    ...{ stdio: of('ignore', 'pipe', ['ignore', 'pipe', 'ignore']), user: of(uid), group: of(gid), signal },
    limits: of({ nofile: 64 }, { cpu: { soft: 5, hard: 10 }, core: 0 }),
  };
  const starting = { ...inJail, session: flag, noNewPrivileges: flag, daemon: flag, descriptors: of({ 3: file }) };
  const child = fresh(
    'a process descriptor',
    () => opening(api.spawn('/bin/sh', ['-c', 'exit 3'], { stdio: 'ignore' })).fd,
  );

  // --- Jails. ---

  const changes = {
    ...{ 'host.hostname': of('web', ''), 'allow.raw_sockets': of(false), 'allow.mlock': of(false) },
    ...{ meta: of({ key: 'value' }, {}), 'meta.owner': of('ops'), securelevel: of(2), enforce_statfs: of(2) },
  };
  const parameters = {
    ...changes,
    name: of('property'),
    path: of('/', home),
    'ip4.addr': of(['127.0.0.1']),
  };
  const parameterName = of(
    'name',
    'path',
    'jid',
    'host.hostname',
    'host.hostid',
    'ip4.addr',
    'meta',
    'meta.owner',
    'vnet',
    'allow.mlock',
  );
  const owned = maybe(some({ owned: flag }));
  const waiting = maybe(some({ signal }));
  const jail = (key: 'jid' | 'name') =>
    fresh(`the ${key} of a jail`, () => opening(api.Jail.create({ name: 'property' }))[key]);
  const requirements = of({}, { attach: 'open' }, { weaken: { inside: 'open', hostRoot: 'open' } });
  const sealing = {
    allow: of([], ['allow.suser'], ['allow.suser', 'allow.chflags']),
    securelevel: of(2, 3),
    require: requirements,
  };
  const inhabited = (jail: capsule.Jail) =>
    void opening(jail.spawn('/bin/sleep', ['60'], { session: true, stdio: 'ignore' }));

  return [
    [/^(is|explain)CapabilityError$/, error],
    [
      /^explainCapabilityError$/,
      error,
      some({
        sandboxed: flag,
        rightsOf: of(
          () => api.Rights.of('read'),
          () => undefined,
        ),
      }),
    ],
    [/^get(Rights|Ioctls|Fcntls)$/, descriptor],
    [/^limitRights$/, descriptor, rightsLike],
    [/^limitIoctls$/, descriptor, ioctls],
    [/^limitFcntls$/, descriptor, fcntls],
    [/^Capability\.of$/, of(file), rights],
    [/^Capability#limit$/, held],
    [/^Rights\.of$/, right, right],
    [/^Rights\.from$/, rightsLike],
    [/^Rights#has$/, right],
    [/^Rights#with(out)?$/, right, right],
    [/^Rights#(union|intersection|difference|isSubsetOf|isSupersetOf|equals)$/, rights],

    [/^Directory\.open$/, of(home, Buffer.from(home), new URL(`file://${home}`)), maybe(some({ rights: rightsLike }))],
    [/^Directory#openDirectory(Sync)?$/, aFolder, maybe(some({ rights: of(['lookup', 'read'], api.Directory.READ) }))],
    [/^Directory#open(Sync)?$/, aFile, maybe(of('r', 'r+', 'w', 'a', fs.constants.O_RDWR)), maybe(mode)],
    [/^Directory#open(Sync)?$/, newName, of('w', 'ax+'), maybe(mode)],
    [/^Directory#readFile(Sync)?$/, aFile, maybe(check.oneof(encoding, some({ encoding, flag: of('r', 'r+') })))],
    [
      /^Directory#(write|append)File(Sync)?$/,
      check.oneof(aFile, newName),
      check.oneof(text, bytes),
      maybe(check.oneof(encoding, writing)),
    ],
    [/^Directory#(write|append)File$/, check.oneof(aFile, newName), pieces, maybe(writing)],
    [/^Directory#copyFile(Sync)?$/, aFile, newName, maybe(of(0, fs.constants.COPYFILE_EXCL)), into],
    [/^Directory#l?stat(Sync)?$/, present, maybe(some({ bigint: flag, throwIfNoEntry: flag }))],
    [
      /^Directory#readdir(Sync)?$/,
      aFolder,
      maybe(check.oneof(nameEncoding, some({ encoding: nameEncoding, recursive: flag, withFileTypes: flag }))),
    ],
    [/^Directory#mkdir(Sync)?$/, newName, maybe(check.oneof(mode, some({ recursive: flag, mode })))],
    [/^Directory#rm(Sync)?$/, check.oneof(present, newName), some({ recursive: flag, force: flag, maxRetries: of(1) })],
    [/^Directory#unlink(Sync)?$/, of('file', 'link')],
    [/^Directory#rmdir(Sync)?$/, of('folder/inner')],
    [/^Directory#(rename|link)(Sync)?$/, of('file', 'link'), newName, into],
    [/^Directory#symlink(Sync)?$/, present, newName],
    [/^Directory#readlink(Sync)?$/, aLink, maybe(check.oneof(nameEncoding, some({ encoding: nameEncoding })))],
    [/^Directory#chmod(Sync)?$/, aFile, mode],
    [/^Directory#l?chown(Sync)?$/, aFile, of(uid, -1), of(gid, -1)],
    [/^Directory#l?utimes(Sync)?$/, aFile, time, time],
    [/^Directory#access(Sync)?$/, present, maybe(of(0, 4))],
    [/^Directory#truncate(Sync)?$/, aFile, maybe(of(0, 3, 100))],
    [/^Directory#createReadStream$/, aFile, maybe(check.oneof(encoding, some({ ...readStream, flags: of('r') })))],
    [
      /^Directory#createWriteStream$/,
      newName,
      maybe(check.oneof(encoding, some({ ...writeStream, flags: of('w', 'a'), mode: of(0o600) }))),
    ],
    [/^Directory#listenUnix$/, newName, maybe(some({ backlog: of(1, 128), allowHalfOpen: flag }))],
    [/^Directory#connectUnix$/, of(listener), maybe(some({ allowHalfOpen: flag }))],

    [/^FileHandle#read$/, bytes, of(0, 3, null), of(0, 5, null), position],
    [/^FileHandle#read$/, maybe(some({ buffer: bytes, offset: of(0, 3), length: of(0, 5), position }))],
    [/^FileHandle#(readv|writev)$/, list(bytes), position],
    [/^FileHandle#write$/, text, position, maybe(encoding)],
    [/^FileHandle#write$/, bytes, of(0, 3, null), of(0, 5, null), position],
    [/^FileHandle#write$/, bytes, some({ offset: of(0, 3), length: of(0, 5), position })],
    [/^FileHandle#readFile$/, maybe(check.oneof(encoding, some({ encoding, signal })))],
    [
      /^FileHandle#(write|append)File$/,
      check.oneof(text, bytes, pieces),
      maybe(check.oneof(encoding, some({ encoding, signal }))),
    ],
    [/^FileHandle#stat$/, maybe(some({ bigint: flag }))],
    [/^FileHandle#truncate$/, maybe(of(0, 3, 100))],
    [/^FileHandle#chmod$/, mode],
    [/^FileHandle#chown$/, of(uid), of(gid)],
    [/^FileHandle#utimes$/, time, time],
    [/^FileHandle#(createReadStream|readLines)$/, maybe(some(readStream))],
    [/^FileHandle#createWriteStream$/, maybe(some(writeStream))],
    [/^FileHandle#readableWebStream$/, maybe(some({ autoClose: flag }))],

    [/^spawn$/, program, programArguments, maybe(some(starting))],
    [/^Jail(Descriptor)?#spawn$/, program, programArguments, maybe(some(inJail))],
    [/^ProcessDescriptor\.from$/, of(child, { fd: child })],
    [/^ProcessDescriptor#wait$/, waiting],
    [/^ProcessDescriptor#kill$/, maybe(of('SIGTERM', 'SIGKILL', 15, 0))],

    [/^Jail\.create$/, some(parameters), owned],
    // Not with addresses that the jail around it does not have.
    [/^JailDescriptor#create$/, some({ ...changes, name: of('property') }), owned],
    [/^tempJail$/, maybe(some(parameters))],
    [/^Jail\.get$/, jails ? of(jail('jid'), jail('name')) : of('property')],
    [/^Jail\.list$/, maybe(some({ dying: flag }))],
    [/^Jail(Descriptor)?#get$/, parameterName, parameterName],
    [/^Jail(Descriptor)?#set$/, some(changes)],
    [/^Jail#open$/, owned],
    [/^(Jail(Descriptor)?#(watch|removed)|Capsule#tampering)$/, waiting],
    [/^Jail(Descriptor)?#seal$/, some(sealing).map((options) => ({ ...options, configure: inhabited }))],
    [
      /^Capsule\.spawn$/,
      of('/bin/sh'),
      programArguments,
      some({ ...inJail, ...sealing, configure: of(() => {}) }).map((options) => ({
        stdio: 'ignore',
        ...options,
        jail: { path: '/' },
      })),
    ],
    [/^Capsule#require$/, requirements],
    [
      /^seal$/,
      some({
        ...{
          servers: of([]),
          sockets: of(new Set()),
          descriptors: of([{ fd: file, rights: ['read', 'fstat', 'fcntl'], fcntls: ['getfl'] }]),
        },
        ...{ directories: of({ home: { path: home } }), unlisted: of('limit', 'close'), prewarm: of([() => 1]) },
        ...{ coreDumps: flag, newPrivileges: flag, debugger: flag, drainTimeout: of(5000) },
      }),
    ],
  ];
}
