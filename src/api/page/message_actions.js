// What operators do to one message besides cancelling and retrying it: run it now, move it, mend it.
import {messagePath, post, ask, Refused} from './broker.js';
import {asked} from './asking.js';
import {confirmed} from './confirm.js';
import {button, show, tell} from './dom.js';
import {memberText, pretty} from './json_text.js';
import {may, maySomewhere} from './session.js';
import {isWhole, stateOf} from './state.js';
import * as watch from './watch.js';

/** {buttons, show(message, text)}; `changed` is called when something was done. `text`: the message's JSON, as it came. */
export function messageActions(id, changed) {
  let message = null, written = '';
  const run = button('Run now …', () => runIt(), {hidden: true});
  const move = button('Move …', () => moveIt(), {hidden: true});
  const edit = button('Edit and retry …', () => editIt(), {hidden: true});

  async function done(words) {
    tell(words);
    await changed();
  }

  async function runIt() {
    const agreed = await confirmed({title: 'Run this message now?', yes: 'Run it now', no: 'Let it wait',
      text: 'It waits no longer for its date, or for the end of its back-off: a service may take it at once.'});
    if (!agreed) return;
    await post(messagePath(id, '/run-now'));
    await done('The message is due now.');
  }

  async function moveIt() {
    const moved = await asked({title: 'Move this message?', yes: 'Move it', no: 'Leave it there',
      text: `It waits in ${message.queue ?? 'its queue'}. In another queue it is treated as that queue treats its messages, and tried afresh.`,
      fields: [queueField('')], wrong: ({queue}) => queue ? '' : 'Name a queue.',
      carryOut: ({queue}) => post(messagePath(id, '/move'), {queue})});
    if (moved) await done(`The message waits in ${moved.queue ?? 'another queue'}.`);
  }

  async function editIt() {
    const said = contentOf(message, written), revision = message.revision;
    const edited = await asked({title: 'Edit and retry this message?', yes: 'Retry it so', no: 'Leave it as it is',
      text: `What it says from now on is revision ${revision + 1} of it: pending, and a service may take it at once.`,
      fields: [{name: 'content', label: said.label, value: said.text, area: true},
        {name: 'type', label: 'Content type', value: message.content_type ?? ''}, queueField(message.queue ?? '')],
      wrong: ({content}) => said.wrong(content),
      carryOut: values => retryAs(bodyOf(said, values), revision)});
    if (edited) return done('The message is edited, and pending again.');
    await changed(); // so that the next edit begins with what it says by then
  }

  /** Where another revision has come meanwhile nothing is lost: neither what was typed, nor what somebody else has made of it. */
  async function retryAs(body, revision) {
    try {
      return await ask('POST', messagePath(id, '/retry'), {body, headers: {'If-Match': `"${revision}"`}});
    } catch (failed) {
      if (failed.status !== 412) throw failed;
      const now = await ask('GET', messagePath(id));
      throw new Refused(412, `Somebody has edited it meanwhile: it is at revision ${now.revision} now. Copy what you typed, close this, ` +
        'and look at what it says.');
    }
  }

  return {
    buttons: [run, move, edit],
    show(now, text) {
      [message, written] = [now, text];
      const operates = isWhole(now) ? may('operate', now.queue ?? now.last_queue ?? '') : maySomewhere('operate');
      const pending = now.status === 'pending' && operates, state = stateOf(now);
      const can_be_retried = (now.status === 'dead' || now.status === 'cancelled') && !now.erased_at;
      const has_content = 'message' in now || 'message_base64' in now;
      show(run, pending && ['scheduled', 'tried again later', 'pending'].includes(state));
      show(move, pending && state !== 'held' && state !== 'expired');
      show(edit, can_be_retried && operates && isWhole(now) && has_content);
    },
  };
}

function queueField(value) {
  const known = [...watch.now.names.keys()].filter(name => may('operate', name));
  return {name: 'queue', label: 'Queue', value, list: known};
}

/** How it is shown to be edited: {text, label, member, isJson, wrong(text)}. A number keeps its digits. */
function contentOf(message, written) {
  const fits = () => '';
  if ('message_base64' in message)
    return {text: message.message_base64, label: 'What it says, in base64', member: 'message_base64', wrong: fits};
  if (typeof message.message === 'string') return {text: message.message, label: 'What it says', member: 'message', wrong: fits};
  return {text: pretty(memberText(written, 'message')), label: 'What it says, in JSON', member: 'message', isJson: true, wrong: complaint};
}

function complaint(text) {
  try {
    JSON.parse(text);
    return '';
  } catch (failed) {
    return `That is no JSON: ${failed.message}`;
  }
}

function bodyOf(said, {content, type, queue}) {
  const members = [`"${said.member}":${said.isJson ? content : JSON.stringify(content)}`];
  if (type) members.push(`"content_type":${JSON.stringify(type)}`);
  if (queue) members.push(`"queue":${JSON.stringify(queue)}`);
  return `{${members.join(',')}}`;
}
