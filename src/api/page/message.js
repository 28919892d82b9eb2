// One message: why it is where it is, what it says, what became of it, and what can be done about it.
import {ask, askText, messagePath, offers, post, Refused} from './broker.js';
import {confirmed} from './confirm.js';
import {announce, button, el, setAttribute, setText, show, tell} from './dom.js';
import {eraseAction} from './erasing.js';
import {age, bytes, bytesOf, isId, moment, precise, rate} from './format.js';
import {memberText, pretty} from './json_text.js';
import {namesOf, queueLink} from './queues.js';
import {showPairs} from './queue.js';
import {messageActions} from './message_actions.js';
import {revisionsList} from './revisions.js';
import {may, maySomewhere} from './session.js';
import {isHeldBack, isWhole, markOf, sentenceOf, stateOf} from './state.js';

const shown_at_first = 20000;
const over_every_ms = 15000;

export function messageView(id) {
  const actions = messageActions(id, () => refresh(true));
  const parts = makeParts(id, actions.buttons);
  const leaving = new AbortController();
  let message = null, refreshed_at = 0;

  const change = async (question, carryOut, done) => {
    if (!await confirmed(question)) return;
    try {
      await carryOut();
      tell(done);
    } catch (failed) {
      tell(failed.message);
    }
    await refresh(true);
  };
  parts.erasing = eraseAction(id, change);
  parts.cancel.after(parts.erasing.button); // away from those that bring a message back
  parts.cancel.addEventListener('click', () => change(
    {title: 'Cancel this message?', text: 'No service works on it any more. It can be retried later.',
      yes: 'Cancel the message', no: 'Keep it'},
    () => ask('DELETE', messagePath(id)), 'The message is cancelled.'));
  parts.retry.addEventListener('click', () => change(
    {title: 'Retry this message?', yes: 'Retry', no: 'Not now',
      text: `It is pending again${message.queue ? ` in ${message.queue}` : ''}, and a service may take it at once.`},
    () => post(messagePath(id, '/retry')), 'The message is pending again.'));

  async function refresh(at_once = false) {
    if (!isId(id)) return parts.missing(`“${id}” is no id of a message.`);
    const is_over = message !== null && message.status !== 'pending';
    if (is_over && at_once !== true && Date.now() - refreshed_at < over_every_ms) return;
    let text;
    try {
      text = await askText('GET', messagePath(id), {signal: leaving.signal});
    } catch (failed) {
      if (failed instanceof Refused && (failed.status === 404 || failed.status === 403)) return parts.missing(failed.message);
      throw failed;
    }
    message = JSON.parse(text);
    refreshed_at = Date.now();
    showMessage(parts, message, text);
    actions.show(message, text);
    await Promise.all([showHistory(parts, message, leaving.signal), showReason(parts, message, leaving.signal)]);
  }

  return {title: `Message ${id.slice(0, 8)}…`, element: parts.element, refresh, close: () => leaving.abort()};
}

function makeParts(id, more_actions) {
  const parts = {
    reason: el('p', {class: 'reason'}),
    data: el('dl', {class: 'pairs'}),
    status: el('span', {class: 'badge'}),
    cancel: button('Cancel …', () => {}, {hidden: true}),
    retry: button('Retry …', () => {}, {hidden: true, class: 'strong'}),
    facts: el('dl', {class: 'pairs'}),
    size: el('p', {class: 'quiet'}),
    content: el('pre', {class: 'content', tabindex: '0', role: 'region', 'aria-label': 'What the message says'}),
    whole: button('Show all of it', () => {}, {hidden: true}),
    headers: el('dl', {class: 'pairs'}),
    timeline: el('ol', {class: 'timeline'}),
  };
  parts.more = el('details', {hidden: true}, el('summary', {}, 'What this is drawn from'), parts.data);
  parts.headers_section = section('Headers', parts.headers);
  parts.timeline_section = section('What happened', parts.timeline);
  parts.revisions = revisionsList();
  parts.body = el('div', {hidden: true},
    el('div', {class: 'standing'}, parts.status, parts.reason), parts.more,
    el('p', {class: 'actions'}, parts.retry, more_actions, parts.cancel),
    el('div', {class: 'columns'},
      el('div', {}, section('What it says', parts.size, parts.content, parts.whole), parts.headers_section, parts.revisions.element),
      el('div', {}, parts.timeline_section, section('Facts', parts.facts))));
  const missing = el('p', {class: 'empty', hidden: true});
  parts.missing = text => {
    setText(missing, text);
    show(missing, true);
    show(parts.body, false);
  };
  parts.element = el('article', {}, el('p', {class: 'path'}, el('a', {href: '#/find'}, 'Messages')),
    el('h1', {class: 'code'}, id), missing, parts.body);
  parts.shown = () => {
    show(missing, false);
    show(parts.body, true);
  };
  return parts;
}

function section(title, ...children) {
  return el('section', {}, el('h2', {}, title), ...children);
}

function showMessage(parts, message, text) {
  parts.shown();
  const queue = message.queue ?? message.last_queue ?? '';
  const operates = isWhole(message) ? may('operate', queue) : maySomewhere('operate');
  setText(parts.status, stateOf(message));
  setAttribute(parts.status, 'data-mark', markOf(message));
  show(parts.cancel, message.status === 'pending' && (operates || !isWhole(message))); // who posted it may
  show(parts.retry, (message.status === 'dead' || message.status === 'cancelled') && operates && !message.erased_at);
  parts.erasing.show(message, operates);
  if (!parts.explained) showSentence(parts, stateOf(message), sentenceOf(message));
  showContent(parts, message, text);
  showFacts(parts, message, queue);
}

/** A value as its JSON was sent, a text as it is, bytes in base64. */
function contentOf(message, text) {
  if ('message_base64' in message)
    return {kind: message.content_type ?? 'bytes', size: bytesOf(message.message_base64), text: message.message_base64,
      note: ', shown in base64'};
  if (!('message' in message)) return null;
  const raw = memberText(text, 'message');
  const is_text = typeof message.message === 'string';
  const size = new TextEncoder().encode(is_text ? message.message : raw).length;
  return {kind: message.content_type ?? (is_text ? 'text' : 'JSON'), size, text: is_text ? prettyIfJson(message) : pretty(raw), note: ''};
}

function prettyIfJson(message) {
  if (!/^application\/(.*\+)?json/.test(message.content_type ?? '')) return message.message;
  try {
    JSON.parse(message.message);
    return pretty(message.message);
  } catch {
    return message.message;
  }
}

function showContent(parts, message, text) {
  const content = contentOf(message, text);
  show(parts.content, content !== null && !message.erased_at);
  if (message.erased_at) {
    show(parts.whole, false);
    return setText(parts.size, `What it said was erased at ${precise(message.erased_at)}, for good.`);
  }
  if (!content) return setText(parts.size, 'What it says is not for you to see.');
  setText(parts.size, `${content.kind}, ${bytes(content.size)}${content.note}`);
  if (parts.content_text !== content.text) {
    parts.content_text = content.text;
    setText(parts.content, content.text.slice(0, shown_at_first));
  }
  show(parts.whole, parts.content.textContent.length < content.text.length);
  parts.whole.onclick = () => {
    setText(parts.content, content.text);
    show(parts.whole, false);
    parts.content.focus();
  };
}

function showFacts(parts, message, queue) {
  const facts = [['Queue', queue || '–'], ['Revision', String(message.revision)]];
  if (message.created_at) facts.push(['Accepted', precise(message.created_at)], ['Changed', precise(message.updated_at)]);
  const state = stateOf(message), is_again = state === 'held' || state === 'tried again later';
  if (message.due) facts.push([is_again ? 'Due again' : 'Due', precise(message.due)]);
  if (message.expires_at) facts.push(['Expires', precise(message.expires_at)]);
  if (isWhole(message)) facts.push(['Failures of this revision', String(message.failures)]);
  if (message.holder) facts.push([state === 'held' ? 'Held by' : 'Held last by', message.holder]);
  if (message.claim) facts.push(['Latest claim', String(message.claim)]);
  if (message.traceparent) facts.push(['Trace', message.traceparent]);
  if (message.tracestate) facts.push(['Trace state', message.tracestate]);
  showPairs(parts.facts, facts);
  if (queue) linkIn(parts.facts.firstChild.lastChild, queueLink(queue));
  const headers = Object.entries(message.headers ?? {});
  show(parts.headers_section, headers.length > 0);
  showPairs(parts.headers, headers);
}

function linkIn(node, href) {
  if (node.firstElementChild?.getAttribute('href') !== href) node.replaceChildren(el('a', {href}, node.textContent));
}

async function showHistory(parts, message, signal) {
  let text;
  if (!isWhole(message)) return show(parts.timeline_section, false);
  try {
    text = await askText('GET', messagePath(message.id, '/history'), {signal});
  } catch (failed) {
    if (!(failed instanceof Refused)) throw failed;
    return show(parts.timeline_section, false);
  }
  show(parts.timeline_section, true);
  parts.revisions.show(text);
  const steps = timelineOf(message, JSON.parse(text)), before = parts.timeline.children.length;
  const changed = JSON.stringify(steps);
  if (parts.steps === changed) return;
  parts.steps = changed;
  parts.timeline.replaceChildren(...steps.map((step, i) => stepElement(step, steps[i - 1])));
  if (before && steps.length > before) tell('The message has gone on.');
}

/** What is kept of its past, and where it is now. */
function timelineOf(message, told) {
  const steps = [{at: told.created_at, what: 'accepted', by: told.owner, revision: 1, mark: 'plain'}];
  for (const step of told.history) steps.push({...step, mark: markOfStep(step.what)});
  if (message.status === 'pending') {
    const state = stateOf(message);
    steps.push({what: {waiting: 'waits', held: 'held'}[state] ?? state, queue: message.queue, revision: message.revision,
      by: state === 'held' || state === 'left unanswered' ? message.holder : '', due: isHeldBack(message) ? message.due : undefined,
      mark: markOf(message), now: true});
  }
  return steps;
}

function markOfStep(what) {
  return {answered: 'good', done: 'good', failed: 'poor', dead: 'bad', retried: 'plain', edited: 'plain', moved: 'plain', run_now: 'plain'}[what] ?? 'over';
}

function stepElement(step, before) {
  const took = before?.at && step.at ? new Date(step.at) - new Date(before.at) : null;
  return el('li', {'data-mark': step.mark, 'aria-current': step.now ? 'step' : null},
    el('strong', {}, step.what.replace('_', ' ')), step.queue ? [step.what === 'moved' ? ' from ' : ' in ', step.queue] : null,
    step.by ? [' by ', el('span', {class: 'code'}, step.by)] : null,
    step.held_by ? [', held by ', el('span', {class: 'code'}, step.held_by)] : null,
    el('small', {}, step.at ? el('time', {datetime: step.at, title: precise(step.at)}, moment(step.at)) : 'now',
      took !== null && took >= 0 ? `, ${age(took)} later` : '', ` · revision ${step.revision}`,
      step.worked_ms === undefined ? '' : ` · waited ${age(step.waited_ms ?? 0)}, worked on for ${age(step.worked_ms)}`,
      step.due ? ` · until ${moment(step.due)}` : ''),
    step.error ? el('p', {class: 'error'}, step.error) : null);
}

/** The broker's own words where it has them; else what the message itself tells. */
async function showReason(parts, message, signal) {
  if (!isWhole(message) || !await offers('/messages/{id}/explain')) return;
  let told;
  try {
    told = await ask('GET', messagePath(message.id, '/explain'), {signal});
  } catch (failed) {
    if (failed instanceof Refused) return;
    throw failed;
  }
  parts.explained = true;
  showSentence(parts, told.reason, sentence(told.sentence));
  const data = Object.entries(told.data ?? {});
  show(parts.more, data.length > 0);
  showPairs(parts.data, data.map(([name, value]) => [words(name), dataText(name, value)]));
}

/** Its seconds tick; read out it is only where it has another reason. */
function showSentence(parts, reason, text) {
  setText(parts.reason, text);
  if (parts.announced === reason) return;
  parts.announced = reason;
  announce(text);
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}

/** "oldest_age_ms" as "Oldest age". */
function words(name) {
  const text = name.replace(/_(ms|per_s)$/, '').replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function dataText(name, value) {
  if (value === null) return '–';
  if (name === 'services' && Array.isArray(value)) return namesOf(value).join(', ') || '–';
  if (name === 'holders' && Array.isArray(value)) return value.join(', ');
  if (name.endsWith('_ms') && typeof value === 'object')
    return Object.entries(value).map(([part, ms]) => `${part} ${age(ms)}`).join(', ');
  if (typeof value === 'number' && name.endsWith('_ms')) return age(value);
  if (typeof value === 'number' && name.endsWith('_per_s')) return `${rate(value)} a second`;
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) return precise(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
