// Where access is configured: who asks.
import {Refused} from './broker.js';
import {el, setText} from './dom.js';
import * as session from './session.js';

export function signInView(signedIn) {
  const wrong = el('p', {id: 'wrong', class: 'wrong', role: 'alert'});
  const token = el('input', {id: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true,
    'aria-describedby': 'wrong'});
  const enter = async event => {
    event.preventDefault();
    try {
      await session.signIn(token.value.trim());
      signedIn();
    } catch (failed) {
      setText(wrong, failed instanceof Refused ? failed.message : 'The broker does not answer; try again.');
      token.value = '';
      token.focus();
    }
  };
  const element = el('section', {class: 'sign-in'}, el('h1', {}, 'Sign in'),
    el('p', {class: 'quiet'}, 'This broker asks who you are. Your token decides what is shown here.'),
    el('form', {on: {submit: enter}}, el('label', {for: 'token'}, 'Token'), token, wrong,
      el('button', {class: 'strong'}, 'Sign in')));
  setTimeout(() => token.focus());
  return {title: 'Sign in', element, asks: true};
}
