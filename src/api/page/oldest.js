// Why the oldest message of a queue waits, in the broker's own words.
import {ask, brokersNow, messagePath, offers, page, Refused} from './broker.js';
import {el, setAttribute, setText, show} from './dom.js';
import {idAt} from './format.js';
import {messageLink} from './messages_table.js';
import {isHeldBack} from './state.js';
import * as watch from './watch.js';

const asked_every_ms = 5000;
const looked_at_max = 20;
/** The figures of a queue are older than this nowhere. */
const counted_within_ms = 60000;

/** {element, refresh()}; `signal` ends what is being asked. */
export function oldestOf(queue, signal) {
  const link = el('a'), words = el('span');
  const element = el('p', {class: 'oldest', hidden: true}, link, words);
  let asked_at = 0;

  async function refresh() {
    const figures = watch.now.names.get(queue);
    if (!figures?.pending) return show(element, false);
    if (Date.now() - asked_at < asked_every_ms || !await offers('/messages/{id}/explain')) return;
    asked_at = Date.now();
    const oldest = await find(figures);
    const told = oldest && await explained(oldest.id);
    show(element, Boolean(told));
    if (!told) return;
    setAttribute(link, 'href', messageLink(oldest.id));
    setText(link, isHeldBack(oldest) ? 'The oldest message' : 'The oldest message that waits');
    setText(words, `: ${told.sentence}.`);
  }

  /** What is held back may be older than what waits: the search begins where the broker says that something waits. */
  async function find({oldest_age_ms}) {
    const after = oldest_age_ms === null ? '' : idAt(brokersNow() - oldest_age_ms - counted_within_ms);
    const {messages} = await page({status: 'pending', queue, after, limit: looked_at_max}, signal);
    return messages.find(message => !isHeldBack(message)) ?? messages[0];
  }

  async function explained(id) {
    try {
      return await ask('GET', messagePath(id, '/explain'), {signal});
    } catch (failed) {
      if (failed instanceof Refused) return null; // it has gone meanwhile
      throw failed;
    }
  }

  return {element, refresh};
}
