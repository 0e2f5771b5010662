import { native } from '../binding.ts';
import { isSandboxed } from '../capsicum/mode.ts';
import { checkKeys, checkObject, invalidArgType, invalidState } from '../errors.ts';
import { requireFreeBSD15 } from '../jail/calls.ts';
import { isJailed, type Jail } from '../jail/jail.ts';
import { checkOpen, closeOwn, type JailDescriptor, openDescriptor } from '../jail/jail-descriptor.ts';
import type { JailValue } from '../jail/parameter-types.ts';
import { type JailCapsule, makeCapsule } from './capsule.ts';
import { Evidence } from './evidence.ts';
import {
  checkJailSeal,
  checkLeft,
  checkUntraced,
  claimJail,
  fileFacts,
  type JailSealOptions,
  possibleTracers,
  processesOf,
  reachOf,
  readSealed,
  readWhole,
  sealedValues,
  setAll,
  verifySealed,
  withNamespaces,
} from './jail-seal.ts';
import { JailSteps } from './jail-steps.ts';
import { gradeCapsule, type PropertyTable } from './properties.ts';
import { SealReport } from './report.ts';
import { checkRequirements, requireGrades } from './requirements.ts';

/** How `Jail#seal` seals. */
export interface JailSealing<Target> extends JailSealOptions {
  /** Called, and awaited, with the jail before anything of it is changed. */
  readonly configure?: ((jail: Target) => Promise<void> | void) | undefined;
}

const OPTIONS = ['allow', 'securelevel', 'require', 'configure'];

/** Everything that has to be undone when the seal fails. */
class Undertaking {
  readonly evidence = new Evidence();
  descriptor: JailDescriptor | undefined;
  /** The parameters as they were; undefined until any may have changed. */
  before: ReadonlyMap<string, JailValue> | undefined;

  /** Puts back what was there, and says how far that came. */
  undo(): string {
    this.evidence[Symbol.dispose]();
    try {
      return this.#restore();
    } finally {
      if (this.descriptor !== undefined) closeOwn(this.descriptor);
    }
  }

  #restore(): string {
    const { before, descriptor } = this;
    if (before === undefined || descriptor === undefined) return 'nothing was changed';
    const { jid, fd } = descriptor;
    try {
      setAll({ fd }, jid, before);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return `jail ${jid} is gone`;
    }
    try {
      const now = readSealed({ fd }, jid);
      const changed = [...before].filter(([name, value]) => now.get(name) !== value);
      if (changed.length === 0) return `of jail ${jid} every parameter that the seal sets is as it was`;
      const lines = changed.map(([name, value]) => `${name} is ${String(now.get(name))} and was ${String(value)}`);
      return `jail ${jid} is NOT sealed, and parameters that the seal sets are not as they were: ${lines.join(', ')}`;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return `jail ${jid} is gone`;
      return `jail ${jid} is NOT sealed, and cannot be read: ${String(error)}`;
    }
  }
}

/** What must be so before a jail is sealed, for it would not be afterwards. */
function checkSealable(jid: number, values: ReadonlyMap<string, JailValue>): void {
  if (values.get('children.cur') !== 0) {
    throw invalidState(`Jail ${jid} has jails in it, which a seal of this one does not seal: remove them first`);
  }
  const { processes } = processesOf(jid);
  if (processes.length === 0) {
    throw invalidState(`Jail ${jid} has no process, and a sealed jail ends with its last one: start its program first`);
  }
  checkUntraced(jid);
  reachOf(jid, values.get('path') as string, processes);
}

/** `Jail#seal` and `JailDescriptor#seal`, which tell the steps. */
export async function sealJail<Target extends Jail | JailDescriptor>(
  target: Target,
  options: JailSealing<Target>,
): Promise<JailCapsule> {
  const steps = new JailSteps(['check', 'configure', 'seal', 'watch', 'verify']);
  const undertaking = new Undertaking();
  const { evidence } = undertaking;
  try {
    steps.begin('check');
    checkObject('options', options);
    checkKeys('options', options, OPTIONS);
    const { configure, require = {} } = options;
    if (configure !== undefined && typeof configure !== 'function') {
      throw invalidArgType('options.configure', 'of type function', configure);
    }
    const requirements = checkRequirements('options.require', require);
    requireFreeBSD15('jail_set', 'Capsules');
    if (isSandboxed()) throw invalidState('In capability mode no jail can be changed');
    const sealed = sealedValues(checkJailSeal('options', options));
    const { jid } = target;
    claimJail(jid, evidence);
    // A descriptor of its own: the number may become another jail's, and the caller may close his.
    const descriptor = openDescriptor({ jid }, {});
    undertaking.descriptor = descriptor;
    // The number is that jail's for sure only while the target's jail is alive, and has it.
    const given = 'fd' in target ? (target as JailDescriptor) : undefined;
    if (given !== undefined) checkOpen(given, 'Somebody');
    const key = { fd: descriptor.fd };
    const { parent } = descriptor.get('parent');
    const grade = (parameters: ReadonlyMap<string, JailValue>, terminals: readonly string[]): PropertyTable => {
      return gradeCapsule({
        parameters,
        ...processesOf(jid),
        terminals,
        nested: parent !== 0 || isJailed(),
        untraceable: false,
        capabilityMode: false,
        owned: 'owned' in target && target.owned,
        possibleTracers: possibleTracers(jid),
        sockets: ['sockets that its processes have from before are not looked for'],
        ...fileFacts(parameters.get('path') as string, jid),
      });
    };
    const { path, name } = descriptor.get('path', 'name');
    requireGrades(grade(new Map<string, JailValue>([...sealed, ['path', path], ['name', name]]), []), requirements);
    steps.done(`jail ${jid}; ${requirements.length} grades required`);

    steps.begin('configure');
    if (configure === undefined) {
      steps.left('nothing to configure');
    } else {
      await configure(target);
      for (const each of given === undefined ? [descriptor] : [given, descriptor]) checkOpen(each, 'options.configure');
      steps.done('the callback returned');
    }

    steps.begin('seal');
    evidence.watch('jaildesc', descriptor.fd, ['attach', 'child', 'remove']);
    const before = readSealed(key, jid);
    const whole = readWhole(key, jid);
    const wanted = withNamespaces(sealed, before);
    checkSealable(jid, before);
    undertaking.before = new Map([...before].filter(([parameter]) => wanted.has(parameter)));
    setAll(key, jid, wanted);
    steps.done(`${wanted.size} parameters (jail_set(2) JAIL_UPDATE)`);

    steps.begin('watch');
    evidence.watch('jail', jid, ['set']);
    steps.done('EVFILT_JAILDESC, EVFILT_JAIL');

    steps.begin('verify');
    const parameters = verifySealed(key, jid, wanted);
    checkLeft(whole, key, jid, wanted);
    checkUntraced(jid);
    const terminals = reachOf(jid, parameters.get('path') as string, processesOf(jid).processes);
    const properties = grade(parameters, terminals);
    requireGrades(properties, requirements);
    await evidence.expectNone();
    steps.done(`${parameters.size} parameters read back; no process has anything open that leads out`);

    const binding = native('jail_set');
    const report = new SealReport({
      kernel: { kind: binding.kernelKind, release: binding.kernelRelease() },
      steps: steps.taken,
      descriptors: [],
      jail: { jid, parameters: Object.fromEntries(parameters), properties },
    });
    return makeCapsule<never>(report, { jail: target, evidence, held: [descriptor] }) as JailCapsule;
  } catch (error) {
    throw steps.explain(error, undertaking.undo());
  }
}
