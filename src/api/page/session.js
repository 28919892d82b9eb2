// Who is signed in, and what that allows.
import {ask} from './broker.js';

let me = {access: false};

/** Asks the broker. Whether the page can show anything: no access is configured, or somebody is known. */
export async function look() {
  me = await ask('GET', 'ui/session');
  return !me.access || me.name !== undefined;
}

export async function signIn(token) {
  me = await ask('POST', 'ui/session', {headers: {Authorization: `Bearer ${token}`}});
}

export async function signOut() {
  await ask('DELETE', 'ui/session');
  me = {access: true};
}

export function name() {
  return me.name ?? '';
}

/** Whether it may `right` in a queue; without one: in every queue. */
export function may(right, queue = '') {
  if (!me.access) return true;
  return (me.may?.[right] ?? []).some(pattern =>
    pattern.endsWith('*') ? queue.startsWith(pattern.slice(0, -1)) : pattern === queue && queue !== '');
}

export function maySomewhere(right) {
  return !me.access || (me.may?.[right] ?? []).length > 0;
}
