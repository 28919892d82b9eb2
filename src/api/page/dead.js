// Dead letters, grouped by what killed them, and their way back: one, a group, a whole queue, or a few first as a canary.
import {ask, page, post} from './broker.js';
import {confirmed} from './confirm.js';
import {arrange, button, el, setAttribute, setText, show, tell} from './dom.js';
import {count, counted, latestError, moment, shortened} from './format.js';
import {messagesTable} from './messages_table.js';
import {queueLink} from './queues.js';
import {Retrying} from './retrying.js';
import {may, maySomewhere} from './session.js';
import * as watch from './watch.js';

const page_size = 200;
const read_at_once = 1000;
const listed_max = 20;
const reread_ms = 9000;
const canary_first = 3;

/** Goes on whatever is shown, for as long as the page is open. */
let retrying = null;

export function deadView(query) {
  const queue = query.get('queue') ?? '';
  const leaving = new AbortController();
  const groups = new Map();
  const note = el('p', {class: 'quiet', role: 'status'});
  const place = el('div', {class: 'groups'});
  const more = button('Read on', () => readOn(), {hidden: true});
  const all = el('section', {class: 'all-of-queue', hidden: true});
  const progress = makeProgress(() => heading.focus());
  let dead = [], next = '', read_at = 0, counted_then = -1, reading = false;

  const heading = el('h1', {tabindex: '-1'}, queue ? `Dead letters of ${queue}` : 'Dead letters');
  const element = el('div', {}, el('p', {class: 'path'}, queue ? el('a', {href: '#/dead'}, 'Dead letters of all queues') : null),
    heading, progress.element,
    el('div', {class: 'beside'}, note, all), place, el('p', {class: 'actions'}, more));
  const whole = makeWholeQueue(all, queue);

  async function readOn() {
    reading = true;
    try {
      for (let left = read_at_once; next !== undefined && left > 0; left -= page_size) {
        const got = await page({status: 'dead', queue, after: next, limit: page_size}, leaving.signal);
        dead = [...dead, ...got.messages];
        next = got.next;
      }
    } finally {
      reading = false;
    }
    read_at = Date.now();
    draw();
  }

  async function readAnew() {
    counted_then = deadCount(queue);
    [dead, next] = [[], ''];
    await readOn();
  }

  function draw() {
    const found = grouped(dead);
    for (const id of groups.keys()) if (!found.has(id)) groups.delete(id);
    for (const [id, group] of found) {
      if (!groups.has(id)) groups.set(id, makeGroup(start));
      groups.get(id).show(group);
    }
    const had_focus = place.contains(document.activeElement);
    arrange(place, [...found.keys()].map(id => groups.get(id).element));
    if (had_focus && !place.contains(document.activeElement)) (retrying ? progress.element : heading).focus({preventScroll: true});
    show(more, next !== undefined);
    setText(note, noteOf(dead.length, deadCount(queue), next !== undefined));
  }

  async function start(group, first) {
    const n = group.messages.length;
    const question = first ? canaryQuestion(n, Math.min(first, n)) : {title: `Retry ${counted(n, 'message')}?`, yes: 'Retry all', no: 'Not now',
      text: 'They are pending again, and services may take them at once.'};
    if (retrying && !retrying.over) return tell('A retry is under way: wait for it, or stop it.');
    if (!await confirmed(question)) return;
    retrying = new Retrying({title: titleOf(group), ids: group.messages.map(m => m.id), first,
      changed: () => progress.show(retrying)});
    progress.show(retrying);
    await retrying.run();
    tell(retrying.over);
    if (!leaving.signal.aborted) await readAnew();
  }

  async function refresh() {
    progress.show(retrying);
    await whole.refresh();
    const changed = counted_then !== deadCount(queue) && dead.length <= read_at_once;
    if (!reading && (read_at === 0 || (changed && Date.now() - read_at > reread_ms))) await readAnew();
  }

  return {title: 'Dead letters', element, refresh, close: () => leaving.abort()};
}

function canaryQuestion(n, first) {
  return {title: `Retry ${counted(n, 'message')} as a canary?`, yes: 'Begin', no: 'Not now',
    text: `${first} first. When all of those have succeeded, four times as many follow, and so on; when one fails again, the others ` +
      'are not touched. This page does it: keep it open.'};
}

function deadCount(queue) {
  return queue ? watch.now.names.get(queue)?.dead ?? 0 : watch.totalOf(watch.now.queues).dead;
}

function noteOf(read, there_are, is_more) {
  if (read === 0 && !is_more) return 'No message is dead.';
  if (!is_more) return `${counted(read, 'dead message')}, grouped by the latest error.`;
  return `Of ${count(Math.max(there_are, read))} dead messages the oldest ${count(read)} are read so far; the groups and their ` +
    'numbers are about those.';
}

/** Numbers and ids in an error differ from message to message, and its kind does not. */
function kindOf(error) {
  return error.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, '…').replace(/\d+/g, '…');
}

/** The largest first. */
function grouped(messages) {
  const found = new Map();
  for (const message of messages) {
    const error = latestError(message), erased = Boolean(message.erased_at);
    const id = `${message.queue} ${erased ? 'erased' : `: ${kindOf(error)}`}`;
    if (!found.has(id)) found.set(id, {queue: message.queue, error, erased, messages: []});
    found.get(id).messages.push(message);
  }
  return new Map([...found].sort(([, a], [, b]) => b.messages.length - a.messages.length));
}

/** What a group is called: by an error, or by why there is none. */
function titleOf({error, erased}) {
  return erased ? 'Their contents were erased: they cannot be retried' : error || 'No reason was told';
}

const called_max = 80;
let groups_made = 0;

function makeGroup(start) {
  const title = el('h2', {class: 'error', id: `group-${++groups_made}`}), about = el('p', {class: 'quiet'}), where = el('a'), times = el('span');
  const size = el('strong', {class: 'size'});
  const list = messagesTable('Messages of this group'), cut = el('p', {class: 'quiet'});
  const all = button('Retry all …', () => start(latest, 0));
  const canary = button('Retry as a canary …', () => start(latest, canary_first), {class: 'strong'});
  const actions = el('p', {class: 'actions'}, canary, all);
  const summary = el('summary', {}, 'Messages');
  const details = el('details', {}, summary, list.element, cut);
  about.append(size, ' in ', where, times);
  let latest;
  const draw = () => {
    if (!details.open) return;
    list.show(latest.messages.slice(0, listed_max));
    setText(cut, latest.messages.length > listed_max ? `The oldest ${listed_max} of ${count(latest.messages.length)}.` : '');
  };
  details.addEventListener('toggle', draw);
  return {
    element: el('section', {class: 'group', role: 'group', 'aria-labelledby': title.id}, title, about, actions, details),
    show(group) {
      latest = group;
      const times_of = group.messages.map(m => m.updated_at).sort(), first = moment(times_of[0]), last = moment(times_of.at(-1));
      setText(title, titleOf(group));
      setText(size, counted(group.messages.length, 'message'));
      setText(where, group.queue);
      setAttribute(where, 'href', queueLink(group.queue));
      setText(times, (first === last ? `, at ${first}` : `, from ${first} to ${last}`) +
        (group.messages.some(m => latestError(m) !== group.error) ? '; numbers or ids in the error differ' : ''));
      show(actions, may('operate', group.queue) && !group.erased);
      show(canary, group.messages.length > 1);
      setText(all, group.messages.length > 1 ? `Retry all ${count(group.messages.length)} …` : 'Retry …');
      for (const control of [canary, all, summary])
        setAttribute(control, 'aria-label', `${control.textContent} ${shortened(titleOf(group), called_max)}, in ${group.queue}`);
      draw();
    },
  };
}

/** How a retry goes on, and its end. */
function makeProgress(closed) {
  const title = el('p', {class: 'error'}), text = el('p', {role: 'status'}), bar = el('progress', {'aria-label': 'Retried'});
  const stop = button('Stop', () => {
    retrying.stop();
    shown.show(retrying);
    element.focus(); // the button is gone
  });
  const close = button('Close', () => {
    shown.show(retrying = null);
    closed();
  });
  const element = el('section', {class: 'progress', hidden: true, tabindex: '-1', 'aria-label': 'The retry under way'}, title, bar, text,
    el('p', {class: 'actions'}, stop, close));
  const shown = {
    element,
    show(one) {
      show(element, one !== null);
      if (!one) return;
      setText(title, one.title);
      [bar.max, bar.value] = [one.total, one.retried];
      const succeeded = one.first ? `, ${count(one.succeeded)} succeeded` : '', refused = one.refused ? `, ${count(one.refused)} refused` : '';
      setText(text, `${count(one.retried)} of ${count(one.total)} retried${succeeded}${refused}. ${one.over}`);
      show(stop, !one.over && !one.stopping);
      show(close, one.over !== '');
      setAttribute(element, 'data-mark', one.over.startsWith('Stopped') ? 'bad' : one.over ? 'good' : null);
    },
  };
  return shown;
}

/** All dead messages of a queue, or of every queue: the broker does that by itself, at its own pace. */
function makeWholeQueue(element, queue) {
  const allowed = queue ? may('operate', queue) : may('operate');
  const text = el('p', {class: 'quiet', role: 'status'});
  const begin = button('', async () => {
    const agreed = await confirmed({title: `Retry all dead messages of ${queue || 'every queue'}?`, yes: 'Retry all', no: 'Not now',
      text: 'The broker does it in the background, at broker.retries_per_second, also when this page is closed. It stops by itself ' +
        'when one fails again as before.'});
    if (!agreed) return;
    await post('retries', queue ? {status: 'dead', queue} : {status: 'dead'});
    tell('The broker has begun.');
    await refresh();
  });
  element.append(begin, text);
  async function refresh() {
    const dead = deadCount(queue);
    if (!maySomewhere('operate')) return;
    const run = await ask('GET', 'retries');
    show(element, (allowed && dead > 0) || run.running || run.retried > 0);
    show(begin, allowed && dead > 0 && !run.running);
    setText(begin, `Retry all ${count(dead)} of ${queue || 'every queue'} …`);
    setText(text, runText(run));
  }
  return {refresh};
}

/** '' where the broker has had none. */
function runText(run) {
  if (!run.running && !run.retried && !run.refused) return '';
  const end = run.running ? ' so far.' : run.stopped_because ? `; stopped: ${run.stopped_because}.` : '.';
  return `The broker’s ${run.running ? 'run' : 'last run'}: ${count(run.retried)} retried, ${count(run.refused)} refused${end}`;
}
