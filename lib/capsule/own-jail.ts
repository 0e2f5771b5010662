/** The jail of `seal({ jail })`: made, entered, sealed and left alone by this very process. */

import { realpathSync } from 'node:fs';
import { native } from '../binding.ts';
import { invalidState } from '../errors.ts';
import { attachProcess, checkNoWaysOut } from '../jail/attach.ts';
import { aboutPath, inJail, JAIL, requireFreeBSD15 } from '../jail/calls.ts';
import { isJailed, Jail } from '../jail/jail.ts';
import type { JailParameters, JailValue } from '../jail/parameter-types.ts';
import { encodeParameters } from '../jail/parameters.ts';
import { Evidence } from './evidence.ts';
import { identifyDescriptors } from './inventory.ts';
import {
  checkJailSeal,
  checkLeft,
  checkUnsealed,
  fileFacts,
  isAloneInSession,
  type JailSealOptions,
  processesOf,
  readWhole,
  sealedValues,
  setAll,
  verifySealed,
  withNamespaces,
} from './jail-seal.ts';
import { type Facts, gradeCapsule } from './properties.ts';
import type { SealedJail } from './report.ts';
import { checkRequirements, requireGrades } from './requirements.ts';

const SUSER = 'allow.suser';

/**
 * Throws for a descriptor of a process or of a jail, none of which is in the jail to be: what is sealed could end those by
 * closing it.
 */
function checkNothingHeld(): void {
  const held = identifyDescriptors().filter(({ kind }) => kind === 'process' || kind === 'jail');
  if (held.length === 0) return;
  const names = held.map(({ fd, kind, pid, jid }) => `${fd} (${kind} ${pid ?? jid})`);
  throw invalidState(
    `Descriptors of processes and jails lead out of the jail. Close first, or wait for what holds them: ${names.join(', ')}`,
  );
}

/**
 * One use each, in the order of the methods.
 *
 * Between `enter` and `seal` this process holds a descriptor of its own jail, by which alone a process can read and change
 * the jail it is in. No JavaScript but the seal's runs meanwhile, and `seal` closes it.
 */
export class OwnJail implements Disposable {
  readonly evidence = new Evidence();
  readonly #parameters: JailParameters;
  /** With the namespaces of System V IPC, once there is a jail to have them. */
  #wanted: Map<string, JailValue>;
  readonly #requirements: ReturnType<typeof checkRequirements>;
  readonly #plan: { switchesUser: boolean; debugger: boolean; terminals: readonly string[] };
  #facts!: Omit<Facts, 'parameters' | 'processes' | 'ownSessions' | 'terminals'>;
  #root!: string;
  #whole: ReadonlyMap<string, JailValue> = new Map();
  #alone = false;
  #current: Jail | undefined;
  #jid = 0;
  #fd = -1;

  /** Checks everything, and changes nothing. */
  constructor(
    parameters: JailParameters,
    options: JailSealOptions,
    plan: { switchesUser: boolean; debugger: boolean; terminals: readonly string[] },
  ) {
    const { require = {} } = options;
    this.#requirements = checkRequirements('plan.require', require);
    requireFreeBSD15('jail_set', 'Capsules');
    checkUnsealed('plan.jail', parameters);
    this.#wanted = sealedValues(checkJailSeal('plan', options));
    this.#parameters = parameters;
    this.#plan = plan;
    encodeParameters(parameters, 'plan.jail', true);
    this.look();
  }

  /**
   * Looks at what decides over the jail and its grades: once for the first step, and once right before the jail is entered,
   * since `prewarm` may have opened or started something, or have put this process into a jail. Changes nothing.
   */
  look(): void {
    checkNoWaysOut('jail_set');
    checkNothingHeld();
    this.#root = realpathSync(this.#parameters.path ?? '/');
    this.#facts = {
      nested: isJailed(),
      untraceable: !this.#plan.debugger,
      owned: false,
      // Nobody's end is waited for, and in capability mode nobody traces.
      possibleTracers: [],
      sockets: [],
      // The last step of the seal, without which there is no capsule.
      capabilityMode: true,
      ...fileFacts(this.#root),
    };
    this.#alone = isAloneInSession();
    this.#grade(this.#wanted, this.#plan.terminals);
  }

  /** The jail, once it is entered: in capability mode nobody can ask any more. */
  get current(): Jail | undefined {
    return this.#current;
  }

  get fd(): number {
    return this.#fd;
  }

  /** Creates the jail and attaches this process, in one call, right after a look. Irreversible. */
  enter(): string {
    const values = new Map<string, unknown>([...Object.entries(this.#parameters), ...this.#wanted]);
    // setuid(2) is a privilege, which the jail keeps until it is used.
    if (this.#plan.switchesUser) values.set(SUSER, true);
    const encoded = encodeParameters(Object.fromEntries(values), 'plan.jail', true);
    const { name, path } = this.#parameters;
    attachProcess('jail_set', () => {
      const made = inJail(name, () => {
        try {
          const names = encoded.map((parameter) => parameter.name);
          const bytes = encoded.map((parameter) => parameter.value);
          return native('jail_set').jailSet(names, bytes, -1, JAIL.CREATE | JAIL.ATTACH | JAIL.GET_DESC);
        } catch (error) {
          throw aboutPath(error, path);
        }
      });
      this.#jid = made.jid;
      this.#fd = made.fd;
      return { jid: made.jid, name: name ?? String(made.jid) };
    });
    // At once, and before descriptors are limited, its queue included. What the seal sets itself is no event: see seal().
    this.evidence.watch('jail', 0, ['attach', 'child', 'remove']);
    this.#current = Jail.current();
    const key = { fd: this.#fd };
    this.#whole = readWhole(key, this.#jid);
    this.#wanted = withNamespaces(this.#wanted, this.#whole);
    return `jail ${this.#jid} (jail_set(2) JAIL_CREATE | JAIL_ATTACH)`;
  }

  /**
   * Takes the last privilege away, starts to listen, reads everything back, and lets go of the jail.
   *
   * @param terminals those that this process keeps
   */
  seal(terminals: readonly string[]): SealedJail {
    const key = { fd: this.#fd };
    if (this.#plan.switchesUser && this.#wanted.get(SUSER) === false) setAll(key, this.#jid, new Map([[SUSER, false]]));
    this.evidence.watch('jail', 0, ['set']);
    const parameters = verifySealed(key, this.#jid, this.#wanted);
    checkLeft(this.#whole, key, this.#jid, this.#wanted);
    // What is in the jail of whoever asks has number 0.
    const { processes } = processesOf(0);
    if (processes.length !== 1 || processes[0] !== process.pid) {
      throw invalidState(`Jail ${this.#jid} was to have this process alone, and has: ${processes.join(', ')}`);
    }
    this.#close();
    // From inside the root of a jail reads as '/', and its name as '0'.
    parameters.set('path', this.#root);
    parameters.set('name', this.#parameters.name ?? String(this.#jid));
    const properties = this.#grade(parameters, terminals, processes);
    return { jid: this.#jid, parameters: Object.fromEntries(parameters), properties };
  }

  [Symbol.dispose](): void {
    this.evidence[Symbol.dispose]();
    this.#close();
  }

  #close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    // Also when it had become something else's number: retired, it is nobody's way out.
    if (fd !== -1) native('close').retireDescriptor(fd);
  }

  #grade(values: ReadonlyMap<string, JailValue>, terminals: readonly string[], processes?: readonly number[]) {
    const parameters = new Map<string, JailValue>([['path', this.#root], ...values]);
    const properties = gradeCapsule({ ...this.#facts, ownSessions: this.#alone, terminals, parameters, processes });
    requireGrades(properties, this.#requirements);
    return properties;
  }
}
