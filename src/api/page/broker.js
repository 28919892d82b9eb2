// Requests to the broker that this page came from.

const root = new URL('../', document.baseURI);
const usual_patience_ms = 15000;

/** The broker has answered, and refuses: in its own words. `told`: its answer, where that is JSON. */
export class Refused extends Error {
  constructor(status, detail, told = {}) {
    super(detail);
    this.status = status;
    this.told = told;
  }
}

/** The broker does not answer. */
export class Silent extends Error {}

/** Called when the broker does not know who asks (any more). */
let unidentified = () => {};
export function whenUnidentified(call) {
  unidentified = call;
}

/** Ends what is under way, which would be refused now; it is thrown there as an AbortError. */
export function giveUpAll() {
  const ended = wanted;
  wanted = new AbortController();
  ended.abort(new DOMException('Signed out', 'AbortError'));
}

let wanted = new AbortController();

/** By the broker's clock, which decides what is due and what is over. */
export function brokersNow() {
  return Date.now() + ahead_ms;
}

let ahead_ms = 0;
const seen_as_equal_ms = 3000; // an answer tells whole seconds, and is under way for a while
function compareClocks(date) {
  const ahead = Date.parse(date ?? '') - Date.now();
  if (!isNaN(ahead)) ahead_ms = Math.abs(ahead) < seen_as_equal_ms ? 0 : ahead;
}

/** The answer's text; what is no success is thrown. */
export async function askText(method, path, {body, headers = {}, signal, patience_ms = usual_patience_ms} = {}) {
  const out_of_patience = AbortSignal.timeout(patience_ms);
  const given_up = AbortSignal.any([wanted.signal, ...(signal ? [signal] : [])]);
  let answer, text;
  try {
    answer = await fetch(new URL(path, root), {
      method, headers, body, cache: 'no-store', redirect: 'error',
      signal: AbortSignal.any([given_up, out_of_patience]),
    });
    text = await answer.text();
  } catch (failed) {
    if (given_up.aborted) throw given_up.reason;
    throw new Silent('The broker does not answer.');
  }
  compareClocks(answer.headers.get('Date'));
  if (answer.ok) return text;
  if (answer.status === 401 && !path.startsWith('ui/')) unidentified();
  const told = parsed(text);
  throw new Refused(answer.status, told.detail ?? `The broker answers ${answer.status}.`, told);
}

export async function ask(method, path, how) {
  return JSON.parse(await askText(method, path, how));
}

export function post(path, value) {
  return ask('POST', path, value === undefined ? {} : {body: JSON.stringify(value)});
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

export function messagePath(id, more = '') {
  return `messages/${encodeURIComponent(id)}${more}`;
}

/** A page of messages: {messages, next?}. */
export function page({status = '', queue = '', after = '', limit = 50}, signal) {
  const query = new URLSearchParams({status, queue, limit});
  if (after) query.set('after', after);
  return ask('GET', `messages?${encoded(query)}`, {signal});
}

/** The broker reads a plus as a plus. */
function encoded(query) {
  return query.toString().replaceAll('+', '%20');
}

/** What this broker can do beyond what the first one with this page could, by its own description. */
let paths = null;
export async function offers(path) {
  paths ??= await ask('GET', 'openapi.json').then(told => told.paths);
  return path in paths;
}
