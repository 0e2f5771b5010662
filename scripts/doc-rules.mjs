// What every public doc comment must have, checked on the model that typedoc makes of lib/.

const KIND = { variable: 32, function: 64, class: 128, interface: 256, constructor: 512, property: 1024, method: 2048 };
const ACCESSOR = 262144;
const MEMBERS = [KIND.property, KIND.method, KIND.constructor, ACCESSOR];
const WITH_MEMBERS = [KIND.class, KIND.interface];
const VALUES = [KIND.variable, KIND.function, KIND.class];

// Members with a meaning that JavaScript or Node gives them.
const isConventional = (name) => name.startsWith('[') || name === 'toJSON' || name === 'toString';

const textOf = (parts = []) => parts.map(({ text }) => text).join('');

// All comments that belong to a symbol: its own, its signatures' and its accessors'.
function commentsOf({ comment, signatures = [], getSignature, setSignature }) {
  return [{ comment }, ...signatures, getSignature, setSignature].map((holder) => holder?.comment).filter(Boolean);
}

const summaryOf = (symbol) =>
  commentsOf(symbol)
    .map(({ summary }) => textOf(summary))
    .join('');

const wholeTextOf = (symbol) =>
  commentsOf(symbol)
    .map(({ summary, blockTags = [] }) => textOf(summary) + blockTags.map(({ content }) => textOf(content)).join(''))
    .join('');

const contentsOf = (symbol, tag) =>
  commentsOf(symbol).flatMap(({ blockTags = [] }) =>
    blockTags.filter((block) => block.tag === tag).map(({ content }) => textOf(content)),
  );

const hasTag = (symbol, tag) => contentsOf(symbol, tag).length > 0;

// Names that are the system's or Node's are documented where the interface says.
const REFERENCE = /https:\/\/(?:man\.freebsd\.org|nodejs\.org\/api)\//;

function* membersOf(symbol) {
  if (!WITH_MEMBERS.includes(symbol.kind)) return;
  if (symbol.kind === KIND.interface && REFERENCE.test(wholeTextOf(symbol))) return;
  const names = new Set(symbol.children?.map(({ name }) => name));
  for (const member of symbol.children ?? []) {
    const isPublic = MEMBERS.includes(member.kind) && !member.inheritedFrom && !isConventional(member.name);
    // The synchronous form of a documented verb is documented by it.
    if (isPublic && !(member.name.endsWith('Sync') && names.has(member.name.slice(0, -'Sync'.length)))) yield member;
  }
}

// Returns the complaints, a line each.
export function complaintsAbout(model) {
  const complaints = [];
  // One entry point is the project itself, several are modules in it.
  const modules = model.children.every(({ kind }) => kind === 2) ? model.children : [model];
  for (const symbol of modules.flatMap(({ children }) => children)) {
    const { name } = symbol;
    if (summaryOf(symbol) === '') complaints.push(`${name} has no doc comment`);
    const members = [...membersOf(symbol)];
    for (const member of members) {
      if (summaryOf(member) === '') complaints.push(`${name}.${member.name} has no doc comment`);
    }
    if (!VALUES.includes(symbol.kind)) continue;
    // What can be called or made belongs to a page of the manual, and to a release that it came with.
    const page = /https:\/\/man\.freebsd\.org\/cgi\/man\.cgi\?query=[\w.]+(?:&sektion=\d)?/;
    if (![symbol, ...members].some((part) => page.test(wholeTextOf(part)))) {
      complaints.push(`${name} links no manual page (https://man.freebsd.org/cgi/man.cgi?query=…)`);
    }
    if (!contentsOf(symbol, '@since').some((since) => /^FreeBSD \d+\.\d/.test(since))) {
      complaints.push(`${name} does not say since which kernel: @since FreeBSD …`);
    }
    if (symbol.kind === KIND.function && !hasTag(symbol, '@throws') && !hasTag(symbol, '@returns')) {
      complaints.push(`${name} says neither what it throws nor what it returns`);
    }
    if (symbol.kind === KIND.class && ![symbol, ...members].some((part) => hasTag(part, '@throws'))) {
      complaints.push(`${name} nowhere says what it throws`);
    }
  }
  return complaints;
}
