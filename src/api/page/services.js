// The services: where each receives, when it was seen last, and what it holds now.
import {ask, brokersNow, messagePath, offers, page, Refused} from './broker.js';
import {el, setText, show} from './dom.js';
import {age, count, counted, moment} from './format.js';
import {messageLink} from './messages_table.js';
import {gone_ms, namesOf, waitsForNobody} from './queues.js';
import {nameless, stateOf} from './state.js';
import {table} from './table.js';
import * as watch from './watch.js';

const reread_ms = 9000;
const page_size = 200;
const pages_max = 10;
const pages_of_queue_max = 3;
const listed_max = 100;
const claims_asked_max = 20;
const no_name = 'No name told';

export function servicesView() {
  const leaving = new AbortController(), signal = leaving.signal;
  const services = table({caption: 'Services', key: service => service.name, columns: [
    {title: 'Service', kind: 'name', text: s => s.name || no_name, order: s => s.name},
    {title: 'Receives from', kind: 'wide few', text: s => s.queues.join(', ') || '–'},
    {title: 'Seen last', kind: 'time', text: seenText, order: s => s.seen_ago_ms, mark: s => isMissed(s) ? 'bad' : null},
    {title: 'Holds', kind: 'number', text: s => count(s.held), order: s => s.held, href: heldLink},
  ]});
  const held_table = table({caption: 'What they hold', key: message => message.id, columns: [
    {title: 'Message', kind: 'code', text: m => m.id, href: m => messageLink(m.id)},
    {title: 'Held by', kind: 'name', text: m => m.holder || nameless, order: m => m.holder ?? ''},
    {title: 'Queue', kind: 'name', text: m => m.queue, order: m => m.queue},
    {title: 'Since', kind: 'time', text: m => moment(begunAt(m)), note: m => since.get(claimOf(m)) ? '' : 'or extended then', order: begunAt},
    {title: 'Lease ends', kind: 'time', text: m => moment(m.due), order: m => m.due},
  ]});
  const note = el('p', {class: 'quiet', role: 'status'}, 'Asking the broker …'), held_note = el('p', {class: 'quiet', role: 'status'});
  const holding = el('section', {hidden: true}, el('h2', {}, 'What they hold'), held_table.element, held_note);
  const element = el('div', {}, el('h1', {}, 'Services'), services.element, note, holding);
  let held = [], is_all = true, read_at = 0, since = new Map();

  function begunAt(message) {
    return since.get(claimOf(message)) ?? message.updated_at;
  }

  function redraw() {
    if (!watch.now.at) return;
    const found = servicesOf(watch.now.queues, held);
    services.show(found);
    setText(note, found.length ? 'As far as this broker has seen them since it started, or was told of them by others of its store.' :
      'No service has been seen since this broker was started.');
  }

  async function refresh() {
    if (!watch.now.at || Date.now() - read_at < reread_ms) return;
    read_at = Date.now();
    [held, is_all] = await readHeld(signal);
    since = await begunOf(held.slice(0, listed_max), since, signal);
    redraw();
    held_table.show(held.slice(0, listed_max));
    show(holding, true);
    setText(held_note, heldText(held.length, is_all));
  }

  return {title: 'Services', element, redraw, refresh, close: () => leaving.abort()};
}

function seenText({seen_ago_ms, name}) {
  if (seen_ago_ms === Infinity) return name ? 'holds, and was not seen' : '–';
  return seen_ago_ms > gone_ms ? `not for ${age(seen_ago_ms)}` : `${age(seen_ago_ms)} ago`;
}

/** Whether it is gone, and something is left behind. */
function isMissed({seen_ago_ms, held, is_needed}) {
  return seen_ago_ms > gone_ms && seen_ago_ms !== Infinity && (held > 0 || is_needed);
}

function heldLink({name, held}) {
  return held && name ? `#/find?${new URLSearchParams({holder: name, status: 'pending'})}` : null;
}

function heldText(found, is_all) {
  const shown = found > listed_max ? ` The ${count(listed_max)} whose leases end first are shown.` : '';
  if (!is_all) return `${counted(found, 'message')} found held among the oldest of each queue; more may be.${shown}`;
  return found ? `${counted(found, 'message')} held.${shown}` : 'Nothing is held.';
}

/** What stands before the last `/` of who holds a message. */
function serviceOf(holder = '') {
  return holder.includes('/') ? holder.slice(0, holder.lastIndexOf('/')) : holder;
}

/** [{name, queues, seen_ago_ms, held, is_needed}], by name; `is_needed`: something waits where nobody else receives. */
function servicesOf(queues, held) {
  const found = new Map();
  const of = name => {
    if (!found.has(name)) found.set(name, {name, queues: [], seen_ago_ms: Infinity, held: 0, is_needed: false});
    return found.get(name);
  };
  for (const queue of queues) {
    for (const {name, seen_ago_ms} of queue.services ?? []) {
      const service = of(name);
      service.queues.push(namesOf([{name: queue.queue, seen_ago_ms}])[0]);
      service.seen_ago_ms = Math.min(service.seen_ago_ms, seen_ago_ms);
      service.is_needed ||= waitsForNobody(queue);
    }
  }
  for (const message of held) ++of(serviceOf(message.holder)).held;
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

/** [messages, whether those are all]: of each queue that has something held the oldest pages, what ends first first. */
async function readHeld(signal) {
  const found = [];
  let pages_left = pages_max, is_all = true;
  for (const queue of watch.now.queues.filter(queue => queue.held > 0)) {
    const allowed = Math.min(pages_left, pages_of_queue_max);
    const {held, pages, ended} = await readHeldOf(queue, allowed, signal);
    found.push(...held);
    pages_left -= pages;
    is_all &&= ended;
  }
  return [found.sort((a, b) => a.due.localeCompare(b.due)), is_all];
}

/** What is scheduled, and what has failed, is counted as held, too: it is no service's. */
async function readHeldOf({queue, held: there_are}, pages_max, signal) {
  const held = [];
  let next = '', pages = 0, seen = 0;
  while (next !== undefined && seen < there_are && pages < pages_max) {
    const got = await page({status: 'pending', queue, after: next, limit: page_size}, signal);
    held.push(...got.messages.filter(message => stateOf(message) === 'held'));
    seen += got.messages.filter(message => message.held).length;
    next = got.next;
    ++pages;
  }
  return {held, pages, ended: next === undefined || seen >= there_are};
}

function claimOf({id, claim}) {
  return `${id} ${claim}`;
}

/** Since when each is held, of what is known already and of some more; null where the broker does not know. A claim begins once. */
async function begunOf(messages, known, signal) {
  const since = new Map(messages.map(claimOf).filter(claim => known.has(claim)).map(claim => [claim, known.get(claim)]));
  if (!await offers('/messages/{id}/explain')) return since;
  for (const message of messages.filter(message => !since.has(claimOf(message))).slice(0, claims_asked_max))
    since.set(claimOf(message), await begunBy(message, signal));
  return since;
}

async function begunBy({id}, signal) {
  try {
    const {data: {held_for_ms}} = await ask('GET', messagePath(id, '/explain'), {signal});
    return held_for_ms === undefined ? null : new Date(brokersNow() - held_for_ms).toISOString();
  } catch (failed) {
    if (failed instanceof Refused) return null;
    throw failed;
  }
}
