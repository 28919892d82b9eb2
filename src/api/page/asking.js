// A form before something is changed. It stays open, with what was typed, until the broker has taken it.
import {Refused, Silent} from './broker.js';
import {button, el, setText} from './dom.js';

/**
 * fields: [{name, label, value?, area?, list?}]; `list`: values that are offered. `wrong(values)` tells what is wrong, or ''.
 * Resolves with what `carryOut(values)` gives; with null where it was given up.
 */
export function asked({title, text, fields, yes, no = 'Leave it as it is', wrong = () => '', carryOut}) {
  return new Promise(resolve => {
    const inputs = new Map(fields.map(field => [field.name, inputOf(field)]));
    const values = () => Object.fromEntries([...inputs].map(([name, input]) => [name, input.value]));
    const complaint = el('p', {class: 'wrong', role: 'alert'});
    const agree = el('button', {class: 'strong'}, yes);
    let got = null;
    const submit = async event => {
      event.preventDefault();
      const complains = wrong(values());
      setText(complaint, complains);
      if (complains) return;
      agree.disabled = true;
      try {
        got = await carryOut(values());
        dialog.close();
      } catch (failed) {
        if (!(failed instanceof Refused || failed instanceof Silent)) throw failed;
        setText(complaint, failed.message);
      } finally {
        agree.disabled = false;
      }
    };
    const form = el('form', {class: 'asking', on: {submit}}, fields.map(field => labelled(field, inputs.get(field.name))), complaint,
      el('div', {class: 'actions'}, agree, button(no, () => dialog.close())));
    const dialog = el('dialog', {'aria-labelledby': 'question', 'aria-describedby': 'explained'},
      el('h2', {id: 'question'}, title), el('p', {id: 'explained'}, text), form);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(got);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function inputOf({name, value = '', area, list}) {
  const input = area ? el('textarea', {id: `asked-${name}`, rows: 12, spellcheck: 'false'}) :
    el('input', {id: `asked-${name}`, type: 'text', autocomplete: 'off', spellcheck: 'false', list: list ? `known-${name}` : null});
  input.value = value;
  return input;
}

function labelled({name, label, list}, input) {
  const known = list ? el('datalist', {id: `known-${name}`}, list.map(value => el('option', {value}))) : null;
  return el('div', {}, el('label', {for: input.id}, label), input, known);
}
