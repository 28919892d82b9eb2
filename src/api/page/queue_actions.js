// What can be done about a whole queue: to pause it, to let it go on, to cancel what waits in it.
import {ask, post} from './broker.js';
import {asked} from './asking.js';
import {confirmed} from './confirm.js';
import {button, el, setText, show, tell} from './dom.js';
import {count, counted, moment} from './format.js';
import {may} from './session.js';
import * as watch from './watch.js';

/** "since 14:02:11 by ops" of a queue that is paused; '' of others. */
export function pausedText(queue) {
  return queue?.paused ? `since ${moment(queue.paused.since)}${queue.paused.by ? ` by ${queue.paused.by}` : ''}` : '';
}

/** {element, draw(), refresh()}: for who may. */
export function queueActions(name) {
  const path = what => `queues/${encodeURIComponent(name)}/${what}`;
  const allowed = may('operate', name);
  const note = el('p', {class: 'paused', role: 'status', hidden: true});
  const progress = el('p', {class: 'quiet', role: 'status', hidden: true});
  const pause = button('Pause …', () => pauseIt(), {hidden: true});
  const resume = button('Resume', () => change('resume', `${name} goes on.`), {hidden: true, class: 'strong'});
  const purge = button('Purge …', () => purgeIt(), {hidden: true});
  const element = el('section', {class: 'queue-actions', 'aria-label': 'What can be done'}, note,
    el('p', {class: 'actions'}, resume, pause, purge), progress);
  let purging = false;

  async function change(what, done) {
    const {paused} = await post(path(what));
    const known = watch.now.names.get(name);
    if (known) known.paused = paused;
    tell(done);
    draw({paused});
  }

  async function pauseIt() {
    const agreed = await confirmed({title: `Pause ${name}?`, yes: 'Pause the queue', no: 'Let it go on',
      text: 'No service gets a message of it until it is resumed, at whatever broker. What is posted to it waits; who works on a message ' +
        'now may finish it.'});
    if (agreed) await change('pause', `${name} is paused.`);
  }

  async function purgeIt() {
    const pending = watch.now.names.get(name)?.pending ?? 0;
    const begun = await asked({title: `Cancel what waits in ${name}?`, yes: 'Cancel all of it', no: 'Keep it',
      text: `${counted(pending, 'message')} pending: all but what somebody works on is cancelled. It is kept like all that is cancelled, and ` +
        'can be retried. Type the queue’s name to go on.',
      fields: [{name: 'queue', label: 'The queue’s name'}],
      wrong: ({queue}) => queue === name ? '' : `That is not the name: ${name}.`,
      carryOut: () => post(path('purge'))});
    if (!begun) return;
    purging = true;
    tell(`What waits in ${name} is being cancelled.`);
    await refresh();
  }

  /** Until it has come to its end. */
  async function refresh() {
    if (!purging) return;
    const run = await ask('GET', path('purge'));
    const left = run.left ? `, ${count(run.left)} left alone` : '';
    const end = run.running ? ' so far.' : run.stopped_because ? `; stopped: ${run.stopped_because}.` : '.';
    setText(progress, `${count(run.cancelled)} cancelled${left}${end}`);
    show(progress, true);
    if (run.running) return;
    purging = false;
    tell(`${counted(run.cancelled, 'message')} of ${name} cancelled${left}.`);
  }

  function draw(queue = watch.now.names.get(name)) {
    const paused = pausedText(queue);
    setText(note, paused ? `Paused ${paused}: nobody gets a message of it until it is resumed.` : '');
    show(note, paused !== '');
    show(pause, allowed && !paused);
    show(resume, allowed && paused !== '');
    show(purge, allowed);
  }

  draw();
  return {element, draw: () => draw(), refresh};
}
