// Retries many messages, one by one, from this page: all at once, or as a canary.
import {ask, messagePath, post, Refused, Silent} from './broker.js';
import {counted} from './format.js';

const at_once = 4;
const grows_by = 4;
const look_every_ms = 1000;
const decided_within_ms = 120000;
const pause_ms = ms => new Promise(resolve => setTimeout(resolve, ms));

/**
 * `first`: so many to begin with; further ones follow, four times as many each time, once all of those before have succeeded; the
 * first that fails again ends it. 0: all at once, whatever becomes of them. `changed` is called as it goes on.
 */
export class Retrying {
  constructor({title, ids, first, changed}) {
    Object.assign(this, {title, first, changed, left: [...ids], total: ids.length, retried: 0, succeeded: 0, refused: 0, over: '',
      stopping: false});
  }

  stop() {
    this.stopping = true;
  }

  async run() {
    try {
      for (let size = this.first || this.left.length; this.left.length && !this.stopping; size *= grows_by) {
        const sent = await this.retry(this.left.splice(0, size));
        this.over = this.first ? await this.verdict(sent) : '';
        if (this.over) break;
      }
      this.over ||= this.stopping ? `Stopped${this.untouched()}.` :
        this.first ? 'All have succeeded.' : 'All are pending again.';
    } catch (failed) {
      this.over = `Stopped: ${failed.message}`;
    }
    this.changed();
  }

  untouched() {
    const left = this.left.length;
    return left ? `; ${counted(left, 'was', 'were')} not touched` : '';
  }

  /** Returns those that are pending again: {id, revision}. */
  async retry(ids) {
    const sent = [], waiting = [...ids];
    const one = async () => {
      for (let id; (id = waiting.shift()) !== undefined && !this.stopping;) {
        try {
          sent.push(await post(messagePath(id, '/retry')));
          ++this.retried;
        } catch (failed) {
          if (!(failed instanceof Refused)) throw failed;
          ++this.refused;
        }
        this.changed();
      }
    };
    await Promise.all(Array.from({length: at_once}, one));
    this.left.unshift(...waiting);
    return sent;
  }

  /** Waits until each is decided; '' once all have succeeded. */
  async verdict(sent) {
    const until = Date.now() + decided_within_ms;
    let open = sent;
    while (open.length && !this.stopping) {
      if (Date.now() > until)
        return `Stopped: ${open.length} were finished by nobody within ${decided_within_ms / 1000} s${this.untouched()}.`;
      await pause_ms(look_every_ms);
      const undecided = [];
      for (const message of open) {
        const outcome = await outcomeOf(message);
        if (outcome.failed) return `Stopped: one has failed again (${outcome.failed})${this.untouched()}.`;
        if (outcome.succeeded) ++this.succeeded;
        else undecided.push(message);
      }
      open = undecided;
      this.changed();
    }
    return '';
  }
}

/** A message that was retried has succeeded once it is done, or has gone on to its next revision. */
async function outcomeOf({id, revision}) {
  try {
    const message = await ask('GET', messagePath(id));
    const error = message.attempts?.at(-1)?.error;
    if (message.status === 'done' || message.revision > revision) return {succeeded: true};
    if (message.status === 'dead' || message.failures > 0) return {failed: error ?? 'for a reason that you may not see'};
    return message.status === 'pending' ? {} : {failed: `it is ${message.status}`};
  } catch (failed) {
    if (failed instanceof Silent) return {}; // asked again
    if (failed instanceof Refused && failed.status === 503) return {};
    throw failed;
  }
}
