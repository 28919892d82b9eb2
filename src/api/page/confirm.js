// A question before something is changed.
import {button, el} from './dom.js';

/** Resolves with true where it was agreed to. The answer that changes nothing has the focus. */
export function confirmed({title, text, yes, no = 'Leave it as it is'}) {
  return new Promise(resolve => {
    const close = agreed => {
      dialog.returnValue = agreed ? 'yes' : '';
      dialog.close();
    };
    const leave = button(no, () => close(false), {autofocus: true});
    const dialog = el('dialog', {'aria-labelledby': 'question', 'aria-describedby': 'explained'},
      el('h2', {id: 'question'}, title), el('p', {id: 'explained'}, text),
      el('div', {class: 'actions'}, button(yes, () => close(true), {class: 'strong'}), leave));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
