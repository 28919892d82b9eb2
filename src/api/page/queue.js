// One queue: its figures, and the messages in it, a page at a time.
import {page} from './broker.js';
import {button, el, setAttribute, setText, show} from './dom.js';
import {age, count, counted, rate} from './format.js';
import {messagesTable} from './messages_table.js';
import {oldestOf} from './oldest.js';
import {queueActions} from './queue_actions.js';
import {failsMoreThanItSucceeds, receiversOf, waitsForNobody} from './queues.js';
import {may} from './session.js';
import * as watch from './watch.js';

const page_size = 50;
const refreshed_max = 200;
const statuses = [['', 'All'], ['pending', 'Pending'], ['dead', 'Dead'], ['cancelled', 'Cancelled'], ['expired', 'Expired']];

export function queueView(name, query) {
  const status = query.get('status') ?? '';
  const leaving = new AbortController();
  const figures = el('dl', {class: 'tiles'});
  const list = messagesTable(`Messages in ${name}`);
  const note = el('p', {class: 'quiet', role: 'status'});
  const more = button('Show more', () => loadMore(), {hidden: true});
  const actions = queueActions(name), oldest = oldestOf(name, leaving.signal);
  let rows = [], next = null;

  const link = ([value, label]) => el('a', {href: `#/queues/${encodeURIComponent(name)}${value ? `?status=${value}` : ''}`,
    'aria-current': value === status ? 'true' : null}, label);
  const charts = el('a', {href: `#/charts?${new URLSearchParams({queue: name})}`}, 'Its charts');
  const element = el('div', {}, el('p', {class: 'path'}, el('a', {href: '#/queues'}, 'Queues')), el('h1', {}, name), actions.element,
    oldest.element, figures, el('p', {class: 'path'}, charts),
    may('read', name) ? [el('nav', {class: 'tabs', 'aria-label': 'Messages by status'}, statuses.map(link)),
      list.element, note, el('p', {class: 'actions'}, more)] : null);

  const ask = (after, limit) => page({status, queue: name, after, limit}, leaving.signal);

  async function loadMore() {
    const got = await ask(next, page_size);
    rows = [...rows, ...got.messages];
    next = got.next ?? null;
    draw();
  }

  function draw() {
    list.show(rows);
    show(more, next !== null);
    setText(note, noteOf(rows.length, next !== null));
  }

  async function refresh() {
    await actions.refresh();
    if (!may('read', name)) return;
    await oldest.refresh();
    if (rows.length > refreshed_max) return;
    const got = await ask('', Math.max(page_size, rows.length));
    if (rows.length > got.messages.length && got.next) return; // a page of large messages ends sooner
    [rows, next] = [got.messages, got.next ?? null];
    draw();
  }

  function drawFigures() {
    actions.draw();
    const q = watch.now.names.get(name) ?? {pending: 0, due: 0, held: 0, dead: 0, oldest_age_ms: null};
    const told = [['Pending', count(q.pending)], ['Due', count(q.due)], ['Held', count(q.held)], ['Dead', count(q.dead)],
      ['Oldest', age(q.oldest_age_ms)]];
    if (q.rate_in_per_s !== undefined) told.push(['In /s', rate(q.rate_in_per_s)], ['Out /s', rate(q.rate_out_per_s)], failed(q));
    if (q.receivers !== undefined) told.push(['Received by', receiversOf(q), waitsForNobody(q) ? 'bad' : null]);
    if (q.engine_depth !== null && q.engine_depth !== undefined) told.push(['In the engine', count(q.engine_depth)]);
    showPairs(figures, told);
  }

  return {title: name, element, refresh, redraw: drawFigures, close: () => leaving.abort()};
}

function failed(q) {
  const text = rate(q.rate_failed_per_s);
  return failsMoreThanItSucceeds(q) ? ['Failed /s', `${text}, more than out`, 'bad'] : ['Failed /s', text];
}

function noteOf(shown, is_more) {
  if (shown === 0) return is_more ? 'None so far: the look at the store goes on with “Show more”.' : 'There is no such message.';
  const kept = shown > refreshed_max ?
    ` With more than ${refreshed_max} shown the list stays as it is: open it anew to see what has changed.` : '';
  return `${counted(shown, 'message')} shown, the oldest first${is_more ? '; there are more' : ''}.${kept} ` +
    'What is done is in no queue any more; Find has it.';
}

/** Of a description list what differs is written anew. pairs: [[term, text, mark?]]. */
export function showPairs(list, pairs) {
  const kept = [...list.children];
  pairs.forEach(([term, text, mark], i) => {
    const pair = kept[i] ?? list.appendChild(el('div', {}, el('dt'), el('dd')));
    setText(pair.firstChild, term);
    setText(pair.lastChild, text);
    setAttribute(pair, 'data-mark', mark);
  });
  for (const gone of kept.slice(pairs.length)) gone.remove();
}
