// All queues: what waits in each, and who receives from it.
import {el, setText, show, svg} from './dom.js';
import {age, count, counted, rate} from './format.js';
import {pausedText} from './queue_actions.js';
import {table} from './table.js';
import * as watch from './watch.js';

const shown_max = 200;
const filter_from = 8;
const spark_ms = 300000;

export function queueLink(name) {
  return `#/queues/${encodeURIComponent(name)}`;
}

export const gone_ms = 60000;

/** Of services that are told as {name, seen_ago_ms}; one that has told no name has none here. */
export function namesOf(services) {
  const named = services.filter(service => service.name);
  return named.map(({name, seen_ago_ms}) => seen_ago_ms > gone_ms ? `${name} (${age(seen_ago_ms)} ago)` : name);
}

/** Who receives, as far as the broker tells it; '' where it tells nothing. */
export function receiversOf(queue) {
  if (queue.receivers === undefined) return '';
  const names = namesOf(queue.services ?? []).join(', ');
  if (waitsForNobody(queue)) return `${names ? `${names}: nobody now` : 'nobody'}, though messages wait`;
  return names || (isReceivedFrom(queue) ? counted(Math.max(1, queue.receivers), 'receiver') : 'nobody');
}

/** What is held tells nothing: it may be scheduled, or left behind. */
function isReceivedFrom(queue) {
  return queue.receivers > 0 || (queue.services ?? []).some(service => service.seen_ago_ms <= gone_ms);
}

/** Whether something could be worked on there, and nobody is there to do it. */
export function waitsForNobody(queue) {
  return queue.receivers !== undefined && hasBacklog(queue) && !isReceivedFrom(queue);
}

/** `due` does not tell it: with a queue engine what was rung is due again only later. */
function hasBacklog(queue, waited_ms = 0) {
  return queue.pending > 0 && queue.oldest_age_ms !== null && queue.oldest_age_ms >= waited_ms;
}

export function failsMoreThanItSucceeds(queue) {
  return queue.rate_failed_per_s > 0 && queue.rate_failed_per_s > queue.rate_out_per_s;
}

const lags_ms = 5000, clearly = 1.2, clearly_per_s = 0.1;

/** Whether more comes than is taken away: a queue that has waited for a while already gets longer. */
function grows(queue) {
  const {rate_in_per_s: comes, rate_out_per_s: goes} = queue;
  return hasBacklog(queue, lags_ms) && comes > goes * clearly && comes - goes >= clearly_per_s;
}

const columns = [
  {title: 'Queue', kind: 'name', text: q => q.queue, href: q => queueLink(q.queue), order: q => q.queue,
    note: q => q.paused ? `paused ${pausedText(q)}` : ''},
  {title: 'Pending', kind: 'number', text: q => count(q.pending), order: q => q.pending, note: q => grows(q) ? 'grows' : ''},
  {title: 'Due', kind: 'number', text: q => count(q.due), order: q => q.due},
  {title: 'Held', kind: 'number', text: q => count(q.held), order: q => q.held},
  {title: 'Dead', kind: 'number', text: q => count(q.dead), mark: q => q.dead > 0 ? 'bad' : null,
    href: q => q.dead > 0 ? `#/dead?${new URLSearchParams({queue: q.queue})}` : null, order: q => q.dead},
  {title: 'Oldest', kind: 'number', text: q => age(q.oldest_age_ms), order: q => q.oldest_age_ms ?? -1},
];
const rates = [
  {title: 'In /s', kind: 'number', text: q => rate(q.rate_in_per_s), order: q => q.rate_in_per_s ?? -1},
  {title: 'Out /s', kind: 'number', text: q => rate(q.rate_out_per_s), order: q => q.rate_out_per_s ?? -1},
  {title: 'Failed /s', kind: 'number', text: q => rate(q.rate_failed_per_s), order: q => q.rate_failed_per_s ?? -1,
    mark: q => failsMoreThanItSucceeds(q) ? 'bad' : null, note: q => failsMoreThanItSucceeds(q) ? 'more than out' : ''},
];
const receivers = {title: 'Received by', kind: 'wide few', text: receiversOf,
  mark: q => waitsForNobody(q) ? 'bad' : null};
const course = {title: 'Pending, 5 min', kind: 'spark', draw: (q, cell) => drawSpark(cell, q.queue)};

export function queuesView() {
  const tiles = new Map(['Pending', 'Due', 'Held', 'Dead', 'In /s', 'Out /s', 'Oldest'].map(name => [name, tile(name)]));
  const filter = el('input', {id: 'queue-filter', type: 'search', autocomplete: 'off', on: {input: () => draw()}});
  const filtering = el('p', {class: 'filter', hidden: true}, el('label', {for: 'queue-filter'}, 'Only queues with '), filter);
  const note = el('p', {class: 'quiet', role: 'status'});
  const counting = el('p', {class: 'quiet'}, 'What waits is being counted …');
  const empty = emptySystem();
  const figures = el('dl', {class: 'tiles'}, [...tiles.values()].map(t => t.element));
  let list = null, with_rates = null;
  const place = el('div', {class: 'wide-table'});
  const element = el('div', {}, el('h1', {}, 'Queues'),
    figures, filtering, place, note, counting, empty);

  /** A broker that tells no rates has no columns for them. */
  function tableFor(queues) {
    const tells = queues.some(q => q.rate_in_per_s !== undefined || q.receivers !== undefined);
    if (list && tells === with_rates) return list;
    with_rates = tells;
    list = table({caption: 'Queues', key: q => q.queue, columns: [...columns, ...(tells ? [...rates, receivers] : []), course]});
    place.replaceChildren(list.element);
    return list;
  }

  function draw() {
    const {queues, at} = watch.now;
    const wanted = queues.filter(q => q.queue.includes(filter.value));
    show(counting, at === 0);
    show(figures, at > 0);
    show(filtering, queues.length >= filter_from);
    show(empty, at > 0 && queues.every(q => q.pending + q.dead === 0 && !q.paused));
    showTotals(tiles, watch.totalOf(queues));
    tableFor(queues).show(wanted.slice(0, shown_max));
    setText(note, wanted.length > shown_max ?
      `${count(shown_max)} of ${counted(wanted.length, 'queue')}: name a part of those to see above.` :
      queues.length && !wanted.length ? 'No queue has that in its name.' : '');
  }

  return {title: 'Queues', element, redraw: draw};
}

function tile(name) {
  const value = el('dd', {});
  const element = el('div', {}, el('dt', {}, name), value);
  return {element, value};
}

function showTotals(tiles, total) {
  const texts = {Pending: count(total.pending), Due: count(total.due), Held: count(total.held), Dead: count(total.dead),
    'In /s': total.rate_in_per_s, 'Out /s': total.rate_out_per_s, Oldest: age(total.oldest_age_ms)};
  for (const [name, {element, value}] of tiles) {
    const text = texts[name];
    show(element, text !== null);
    setText(value, typeof text === 'number' ? rate(text) : text ?? '');
    element.classList.toggle('bad', name === 'Dead' && total.dead > 0);
  }
}

/** Its course in a few strokes; in words it is what the other columns say. */
function drawSpark(cell, queue) {
  const since = Date.now() - spark_ms, width = 96, height = 20;
  const points = watch.series(queue, 'pending', since);
  const top = Math.max(1, ...points.map(([, value]) => value));
  const x = time => ((time - since) / spark_ms * width).toFixed(1);
  const y = value => (height - 1 - value / top * (height - 2)).toFixed(1);
  if (!cell.firstChild) cell.append(svg('svg', {viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true'}, svg('polyline', {})));
  cell.firstChild.firstChild.setAttribute('points', points.map(([time, value]) => `${x(time)},${y(value)}`).join(' '));
}

function emptySystem() {
  const command = `curl ${new URL('../queues/hello/messages', document.baseURI)} -d '{"message": "Hello"}'`;
  return el('section', {class: 'empty', hidden: true}, el('h2', {}, 'Nothing waits'),
    el('p', {}, 'There is no message that waits or is dead. The first may be:'),
    el('pre', {tabindex: '0', role: 'region', 'aria-label': 'A command that posts a message'}, command));
}
