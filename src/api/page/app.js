// The page: where one is, what is shown there, and a look at the broker every few seconds.
import {giveUpAll, Refused, Silent, whenUnidentified} from './broker.js';
import {el, setAttribute, setText, show, tell} from './dom.js';
import {age, clock, count, isId} from './format.js';
import * as session from './session.js';
import * as watch from './watch.js';
import {queuesView} from './queues.js';
import {queueView} from './queue.js';
import {messageView} from './message.js';
import {deadView} from './dead.js';
import {servicesView} from './services.js';
import {findView} from './find.js';
import {chartsView} from './charts.js';
import {configurationView} from './configuration.js';
import {signInView} from './sign_in.js';

const look_every_ms = 3000;
const look_hidden_ms = 15000;
const look_lost_ms = 1500;
/** A look that takes long is not taken as often. */
const pause_of_looks = 5;

/** A view: {title, element, refresh?(), redraw?(), close?()}. `refresh` asks for what is shown, every few seconds; `redraw` draws
    what each look has seen of the queues. */
const views = {
  queues: ([name], query) => name === undefined ? queuesView() : queueView(name, query),
  messages: ([id]) => messageView(id ?? ''),
  services: () => servicesView(),
  dead: (_, query) => deadView(query),
  find: (_, query) => findView(query),
  charts: (_, query) => chartsView(query),
  configuration: () => configurationView(),
};

const by_id = id => document.getElementById(id);
const main = by_id('view');
let view = null, place = '', looking_next = 0, looking = false, known = false;

function placeNow() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [first, ...rest] = path.split('/').map(part => decoded(part));
  return {first: first in views ? first : 'queues', rest, query: new URLSearchParams(query)};
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function open(made) {
  view?.close?.();
  view = made;
  main.replaceChildren(made.element);
  document.title = `${made.title} · AMC`;
  window.scrollTo(0, 0);
}

function navigate(withFocus) {
  if (!known) return;
  place = location.hash;
  const {first, rest, query} = placeNow();
  // Who may read nothing may still have a look at what it has posted.
  open(first === 'messages' || session.maySomewhere('read') ? views[first](rest, query) : nothingToRead());
  for (const link of by_id('navigation').children)
    setAttribute(link, 'aria-current', link.getAttribute('href') === `#/${first}` ? 'page' : null);
  // So a screen reader tells where one is now, and Tab goes on from there.
  const heading = main.querySelector('h1');
  heading?.setAttribute('tabindex', '-1');
  if (withFocus) heading?.focus({preventScroll: true});
  refresh();
}

function nothingToRead() {
  const text = `${session.name()} may not read the messages of any queue. A message that it has posted is found by its id.`;
  return {title: 'Nothing to see', element: el('section', {class: 'empty'}, el('h1', {}, 'Nothing to see'), el('p', {}, text))};
}

async function refresh() {
  try {
    view?.redraw?.();
    await view?.refresh?.();
  } catch (failed) {
    if (failed.name === 'AbortError' || failed instanceof Silent || failed.status === 401) return;
    if (!(failed instanceof Refused)) throw failed;
    watch.now.refused = failed.message;
    showState();
  }
}

/** What waits everywhere takes as long as there is much of it; what is shown is not kept waiting by it. */
async function look() {
  clearTimeout(looking_next);
  if (looking) return;
  looking = true;
  const begun = Date.now();
  try {
    if (!known) await begin();
    if (known) {
      const is_first = watch.now.at === 0;
      await watch.look();
      if (known) showState();
      if (is_first) refresh(); // what needs the queues' figures has waited for them
      else view?.redraw?.();
    }
  } finally {
    looking = false;
    looking_next = setTimeout(look, watch.now.silent_since ? look_lost_ms : pauseAfter(Date.now() - begun));
  }
}

async function keepRefreshing() {
  const begun = Date.now();
  try {
    if (known && !watch.now.silent_since) await refresh();
  } finally {
    setTimeout(keepRefreshing, pauseAfter(Date.now() - begun));
  }
}

function pauseAfter(took_ms) {
  return document.hidden ? look_hidden_ms : Math.max(look_every_ms, pause_of_looks * took_ms);
}

/** Until it is known whether somebody has to sign in. */
async function begin() {
  if (view?.asks) return;
  try {
    known = await session.look();
    watch.now.silent_since = 0;
  } catch (failed) {
    if (failed instanceof Silent) watch.now.silent_since ||= Date.now();
    else watch.now.refused = failed.message;
    return showState();
  }
  showWho();
  if (known) navigate(false);
  else askWho();
}

function askWho() {
  known = false;
  showWho();
  show(by_id('banner'), false);
  if (!view?.asks) open(signInView(signedIn));
}

function signedIn() {
  view = null;
  known = true;
  showWho();
  navigate(true);
  look();
}

function showWho() {
  show(by_id('navigation'), known && session.maySomewhere('read'));
  show(by_id('to-configuration'), session.may('operate'));
  show(by_id('search'), known);
  show(by_id('who'), known && session.name() !== '');
  setText(by_id('who-name'), session.name());
  if (!known) setText(by_id('state-text'), 'Not signed in');
}

let was_silent = false;

function showState() {
  const {now} = watch, banner = by_id('banner');
  const trouble = troubleOf(now);
  show(banner, trouble !== '');
  setText(banner, trouble);
  setAttribute(banner, 'data-kind', now.silent_since || now.health.status === 'unavailable' ? 'bad' : 'poor');
  setAttribute(by_id('state'), 'data-kind', trouble ? 'bad' : 'good');
  setText(by_id('state-text'), now.silent_since ? `No answer for ${age(Date.now() - now.silent_since)}` :
    now.at ? `As of ${clock(new Date(now.at))}` : 'The broker answers');
  if (was_silent && !now.silent_since) tell('The broker answers again.');
  was_silent = now.silent_since > 0;
  const dead = watch.totalOf(now.queues).dead;
  show(by_id('dead-count'), dead > 0);
  setText(by_id('dead-count'), count(dead));
}

function troubleOf(now) {
  const seen = now.at ? ` What you see is from ${clock(new Date(now.at))}.` : '';
  if (now.silent_since) return `The broker does not answer. It is asked again every other second.${seen}`;
  if (now.health.status === 'unavailable')
    return `The broker cannot reach its store, or can only read it: nothing is accepted or changed until it can.${because(now.health)}${seen}`;
  if (now.health.status === 'degraded')
    return 'The queue engine is unreachable: messages are accepted and kept, and services that listen to it hear of nothing ' +
      `until it is back.${because(now.health)}`;
  return now.refused;
}

/** What the broker says of its store and its engine, where who looks may know it. */
function because({store_because, platform_because}) {
  return [store_because, platform_because].filter(text => text).map(text => ` (${text})`).join('');
}

function search(event) {
  event.preventDefault();
  const text = by_id('search-text').value.trim();
  if (!text) return;
  location.hash = isId(text) ? `#/messages/${text.toLowerCase()}` : `#/find?${new URLSearchParams({text})}`;
}

/** Nothing more is asked before the session ends: it would be refused. */
async function signOut() {
  askWho();
  giveUpAll();
  try {
    await session.signOut();
    tell('Signed out.');
  } catch (failed) {
    signedIn();
    tell(`Still signed in: ${failed.message}`);
  }
}

by_id('search').addEventListener('submit', search);
by_id('sign-out').addEventListener('click', signOut);
by_id('skip').addEventListener('click', event => {
  event.preventDefault();
  main.focus();
});
window.addEventListener('hashchange', () => location.hash !== place && navigate(true));
document.addEventListener('visibilitychange', () => {
  if (document.hidden || !known) return;
  look();
  refresh();
});
whenUnidentified(askWho);
look();
keepRefreshing();
