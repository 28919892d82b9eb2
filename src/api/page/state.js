// Where a message is in its life, in the product's words.
import {brokersNow} from './broker.js';
import {age, latestError, moment} from './format.js';

/** Whether who looks may read its queue; who posted it, or may operate there, is told less. */
export function isWhole(message) {
  return 'failures' in message;
}

/**
 * 'scheduled', 'held', 'tried again later', 'left unanswered' (a lease is over), 'waiting', 'pending' where no more is told, or how it
 * ended. What is to happen at a time has happened once that is past, whether or not the broker has come to it.
 */
export function stateOf(message, now = brokersNow()) {
  const past = text => text !== undefined && new Date(text).getTime() <= now;
  if (message.status !== 'pending' || !isWhole(message)) return message.status;
  if (past(message.expires_at)) return 'expired';
  if (!message.held) return 'waiting';
  if (past(message.due)) return wasLeft(message) ? 'left unanswered' : 'waiting';
  if (message.claim === 0) return 'scheduled';
  return claimHasFailed(message) ? 'tried again later' : 'held';
}

/** Whether it waits for its date, the end of its back-off, or the end of a lease. */
export function isHeldBack(message) {
  return ['scheduled', 'tried again later', 'held'].includes(stateOf(message));
}

function claimHasFailed(message) {
  const latest = message.attempts?.at(-1);
  return latest !== undefined && latest.claim === message.claim && latest.revision === message.revision;
}

/** Of one whose time is over: it was a claim's, and nothing has been done with the message since. */
function wasLeft(message) {
  return message.claim !== 0 && !claimHasFailed(message) && new Date(message.updated_at) <= new Date(message.due);
}

/** Who has told nothing of itself. */
export const nameless = 'a service that told no name';

/** In one sentence, from what the message itself tells. */
export function sentenceOf(message, now = brokersNow()) {
  if (!isWhole(message)) return `It is ${message.status}, with revision ${message.revision}; its queue is not for you to read.`;
  const since = text => age(now - new Date(text).getTime());
  const queue = message.queue ?? message.last_queue ?? '';
  const failed = `failed ${message.failures === 1 ? 'once' : `${message.failures} times`}: ${latestError(message)}`;
  switch (stateOf(message)) {
    case 'waiting':
      return `Waits in ${queue} for a service to take it; accepted ${since(message.created_at)} ago.`;
    case 'scheduled':
      return `Scheduled: it can be worked on in ${queue} from ${moment(message.due)}.`;
    case 'tried again later':
      return `Has ${failed}. It is tried again at ${moment(message.due)}.`;
    case 'held':
      return `Held by ${message.holder || nameless}; its lease ends at ${moment(message.due)} unless it is extended.`;
    case 'left unanswered':
      return `Was held by ${message.holder || nameless}, whose lease is over; it comes round again in ${queue}.`;
    case 'done':
      return `Done with revision ${message.revision}, ${age(new Date(message.updated_at) - new Date(message.created_at))} after it ` +
        'was accepted.';
    case 'dead':
      return `Dead in ${queue} since ${moment(message.updated_at)}` + (latestError(message) ? `: ${latestError(message)}` : '.');
    case 'cancelled':
      return `Cancelled at ${moment(message.updated_at)}.`;
    default:
      return `Expired at ${moment(message.expires_at ?? message.updated_at)}, before a service had finished it.`;
  }
}

/** How it is coloured. */
export function markOf(message) {
  const marks = {waiting: 'plain', pending: 'plain', scheduled: 'plain', held: 'held', 'tried again later': 'poor',
    'left unanswered': 'poor', done: 'good', dead: 'bad'};
  return marks[stateOf(message)] ?? 'over';
}
