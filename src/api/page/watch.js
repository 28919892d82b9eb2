// What is looked at all the time, whatever is shown: the queues, and whether broker, store and engine are there.
import {ask, Refused, Silent} from './broker.js';
import {maySomewhere} from './session.js';

const samples_max = 2400;
const queues_sampled_max = 200;
/** A million messages take their time to be counted. */
const counting_ms = 60000;

/** {at, total, queues: Map of name to figures} of each look since the page was opened, the latest last. */
export const samples = [];
/** As GET /queues tells them; `at`: when. */
export const now = {queues: [], at: 0, health: {status: 'ok'}, silent_since: 0, refused: '', names: new Map()};

/** Looks once. Throws nothing: what went wrong is told by `now`. */
export async function look() {
  try {
    await lookAtHealth();
    if (maySomewhere('read')) await lookAtQueues();
    now.silent_since = 0;
    now.refused = '';
  } catch (failed) {
    if (failed instanceof Silent) now.silent_since ||= Date.now();
    else if (failed instanceof Refused) [now.silent_since, now.refused] = [0, failed.message];
    else if (failed.name !== 'AbortError') throw failed;
  }
}

async function lookAtHealth() {
  try {
    now.health = await ask('GET', 'readyz');
  } catch (failed) {
    if (!(failed instanceof Refused)) throw failed;
    now.health = {...failed.told, status: 'unavailable'};
  }
}

async function lookAtQueues() {
  const {queues} = await ask('GET', 'queues', {patience_ms: counting_ms});
  now.queues = queues;
  now.names = new Map(queues.map(queue => [queue.queue, queue]));
  now.at = Date.now();
  samples.push({at: now.at, total: figures(totalOf(queues)),
    queues: new Map(queues.slice(0, queues_sampled_max).map(queue => [queue.queue, figures(queue)]))});
  if (samples.length > samples_max) samples.shift();
}

function figures(queue) {
  return {pending: queue.pending, due: queue.due, held: queue.held, dead: queue.dead, oldest: queue.oldest_age_ms ?? 0,
    in: queue.rate_in_per_s, out: queue.rate_out_per_s, failed: queue.rate_failed_per_s};
}

/** null where no queue tells it, as brokers do that do not know it. */
function summed(queues, member) {
  const told = queues.filter(queue => typeof queue[member] === 'number');
  return told.length ? told.reduce((sum, queue) => sum + queue[member], 0) : null;
}

export function totalOf(queues) {
  const ages = queues.map(queue => queue.oldest_age_ms).filter(age => age !== null);
  const total = Object.fromEntries(['rate_in_per_s', 'rate_out_per_s', 'rate_failed_per_s', 'receivers'].map(name => [name, summed(queues, name)]));
  for (const name of ['pending', 'due', 'held', 'dead']) total[name] = summed(queues, name) ?? 0;
  return {...total, oldest_age_ms: ages.length ? ages.reduce((a, b) => Math.max(a, b)) : null};
}

/** Of the samples of a queue ('': of all): [[time, value]]. */
export function series(queue, member, since = 0) {
  const points = [];
  for (const sample of samples) {
    const of = queue ? sample.queues.get(queue) : sample.total;
    const value = of?.[member];
    if (sample.at >= since && value !== undefined) points.push([sample.at, value]);
  }
  return points;
}
