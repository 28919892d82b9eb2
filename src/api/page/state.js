// Where a message is in its life, in the product's words.
import {age, latestError, moment} from './format.js';

/** Whether who looks may read its queue; who posted it, or may operate there, is told less. */
export function isWhole(message) {
  return 'failures' in message;
}

/** 'scheduled', 'held', 'tried again later', 'waiting', 'pending' where no more is told, or how it ended. */
export function stateOf(message) {
  if (message.status !== 'pending' || !isWhole(message)) return message.status;
  if (!message.held) return 'waiting';
  if (message.claim === 0) return 'scheduled';
  const latest = message.attempts?.at(-1);
  return latest && latest.claim === message.claim && latest.revision === message.revision ? 'tried again later' : 'held';
}

/** In one sentence, from what the message itself tells. */
export function sentenceOf(message, now = Date.now()) {
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
      return new Date(message.due).getTime() > now ?
        `Held by ${message.holder || 'a service'}; its lease ends at ${moment(message.due)} unless it is extended.` :
        `Was held by ${message.holder || 'a service'}, whose lease is over; it comes round again.`;
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
  const marks = {waiting: 'plain', pending: 'plain', scheduled: 'plain', held: 'held', 'tried again later': 'poor', done: 'good', dead: 'bad'};
  return marks[stateOf(message)] ?? 'over';
}
