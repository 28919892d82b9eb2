// Messages by status, queue and time, as the broker finds them, and by what they say, as this page does.
import {page} from './broker.js';
import {button, el, setText, show} from './dom.js';
import {count, counted, idAt, isId, timeOfId} from './format.js';
import {messageLink, messagesTable} from './messages_table.js';
import * as watch from './watch.js';

const page_size = 200;
const looked_at_max = 2000;
const found_max = 50;
const statuses = ['', 'pending', 'done', 'dead', 'cancelled', 'expired'];

export function findView(query) {
  const wanted = Object.fromEntries(['text', 'header', 'holder', 'status', 'queue', 'from', 'to'].map(name => [name, query.get(name) ?? '']));
  const leaving = new AbortController();
  const list = messagesTable('Messages found');
  const note = el('p', {class: 'quiet', role: 'status'});
  const more = button('Look further', () => search(), {hidden: true});
  let found = [], looked_at = 0, next = null, begun = false;

  async function search() {
    begun = true;
    show(more, false);
    let unread = looked_at_max, wanting = found_max;
    const to = wanted.to ? timeTyped(wanted.to) : Infinity;
    next ??= wanted.from ? idAt(timeTyped(wanted.from)) : '';
    while (next !== undefined && unread > 0 && wanting > 0) {
      const got = await page({...wanted, after: next, limit: page_size}, leaving.signal);
      const in_time = got.messages.filter(m => timeOfId(m.id) <= to);
      const fitting = in_time.filter(m => fits(m, wanted));
      looked_at += in_time.length;
      unread -= got.messages.length || page_size;
      wanting -= fitting.length;
      found = [...found, ...fitting];
      next = in_time.length < got.messages.length ? undefined : got.next;
      list.show(found);
      setText(note, `Looked at ${counted(looked_at, 'message')}: ${count(found.length)} found …`);
    }
    show(more, next !== undefined);
    setText(note, `Looked at ${counted(looked_at, 'message')}, the oldest first: ${count(found.length)} found` +
      (next === undefined ? ', and there are no more.' : '. There are more to look at.'));
  }

  const is_asked = [...query.keys()].length > 0;
  const element = el('div', {}, el('h1', {}, 'Find'), findForm(wanted),
    is_asked ? [list.element, note, el('p', {class: 'actions'}, more)] : null);
  return {title: 'Find', element, close: () => leaving.abort(), refresh: async () => is_asked && !begun && search()};
}

/** What is typed has no zone: it is UTC, as all times here. */
function timeTyped(text) {
  return new Date(`${text}Z`).getTime();
}

function findForm(wanted) {
  const fields = {
    text: input('text', 'Text in what it says, or an id', wanted, {type: 'search'}),
    header: input('header', 'Header: a name, or name: value', wanted, {type: 'search'}),
    holder: input('holder', 'Who holds it, or held it last: service, or service/worker', wanted, {type: 'search'}),
    status: el('select', {id: 'find-status'},
      statuses.map(s => el('option', {value: s, selected: s === wanted.status}, s || 'any'))),
    queue: input('queue', 'Queue', wanted, {type: 'text', list: 'queue-names'}),
    from: input('from', 'Accepted from, in UTC', wanted, {type: 'datetime-local', step: '1'}),
    to: input('to', 'Accepted until, in UTC', wanted, {type: 'datetime-local', step: '1'}),
  };
  const labels = {text: 'Text', header: 'Header', holder: 'Held by', status: 'Status', queue: 'Queue', from: 'Accepted from (UTC)',
    to: 'Accepted until (UTC)'};
  const submit = event => {
    event.preventDefault();
    const text = fields.text.value.trim();
    if (isId(text)) return location.hash = messageLink(text.toLowerCase());
    const filled = Object.entries(fields).map(([name, field]) => [name, field.value.trim()]).filter(([, value]) => value);
    const asked = new URLSearchParams(filled);
    const hash = `#/find?${asked.size ? asked : 'status='}`;
    if (location.hash === hash) return dispatchEvent(new HashChangeEvent('again'));
    location.hash = hash;
  };
  const names = watch.now.queues.slice(0, found_max).map(queue => el('option', {value: queue.queue}));
  return el('form', {class: 'find', on: {submit}},
    Object.entries(fields).map(([name, field]) => el('div', {class: name}, el('label', {for: field.id}, labels[name]), field)),
    el('datalist', {id: 'queue-names'}, names), el('button', {class: 'strong'}, 'Find'),
    el('p', {class: 'quiet'}, 'Status, queue and time are found by the broker, however many messages there are. Text, headers and holders are ' +
      `looked for in what those leave, ${count(looked_at_max)} messages at a time. What is done is in no queue any more.`));
}

function input(name, hint, wanted, attributes) {
  return el('input', {id: `find-${name}`, value: wanted[name], autocomplete: 'off', spellcheck: 'false', 'aria-description': hint,
    ...attributes});
}

function fits(message, {text, header, holder}) {
  return (!text || says(message, text.toLowerCase())) && (!header || hasHeader(message, header.toLowerCase())) &&
    (!holder || (message.holder ?? '').toLowerCase().includes(holder.toLowerCase()));
}

function says(message, text) {
  const said = typeof message.message === 'string' ? message.message :
    JSON.stringify(message.message ?? message.message_base64 ?? '');
  const errors = (message.attempts ?? []).map(attempt => attempt.error);
  return [said, message.id, message.holder ?? '', ...errors].some(part => part.toLowerCase().includes(text));
}

function hasHeader(message, wanted) {
  const [name, ...rest] = wanted.split(':'), value = rest.join(':').trim();
  return Object.entries(message.headers ?? {}).some(([each, text]) =>
    each.toLowerCase() === name.trim() && text.toLowerCase().includes(value));
}
