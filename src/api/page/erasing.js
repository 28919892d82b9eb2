// Erasing what a message said, for good.
import {messagePath, post} from './broker.js';
import {button, show} from './dom.js';

/** {button, show(message, operates)}; `change(question, carryOut, done)` asks first. */
export function eraseAction(id, change) {
  const question = {title: 'Erase what this message said?', yes: 'Erase for good', no: 'Keep it',
    text: 'What it says and said in all its revisions, its headers and its error texts are erased, and nothing brings them back. ' +
      'That it was here stays. It cannot be retried.'};
  const carryOut = () => post(messagePath(id, '/erase'));
  const erase = button('Erase …', () => change(question, carryOut, 'What it said is erased.'), {hidden: true, class: 'apart'});
  return {
    button: erase,
    show: (message, operates) => show(erase, operates && message.status !== 'pending' && !message.erased_at),
  };
}
