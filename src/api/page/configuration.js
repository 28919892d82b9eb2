// What the broker runs with, and where each value came from.
import {ask} from './broker.js';
import {el, setText} from './dom.js';
import {counted} from './format.js';
import {table} from './table.js';

export function configurationView() {
  const leaving = new AbortController();
  const list = table({caption: 'Configuration', key: key => key.key, columns: [
    {title: 'Key', text: key => key.key, order: key => key.key},
    {title: 'Value', kind: 'code', text: key => key.value},
    {title: 'From', text: key => key.origin, order: key => key.origin},
  ]});
  const text = el('input', {id: 'configuration-text', type: 'search', autocomplete: 'off', on: {input: () => show()}});
  const all = el('input', {id: 'configuration-all', type: 'checkbox', on: {change: () => show()}});
  const note = el('p', {class: 'quiet', role: 'status'});
  let keys = [];

  function show() {
    const wanted = text.value.trim().toLowerCase();
    const shown = keys.filter(key => (all.checked || key.origin !== 'default') && (key.key + key.value).toLowerCase().includes(wanted));
    list.show(shown);
    setText(note, shown.length > 0 ? `${counted(shown.length, 'key')} of ${keys.length}.` :
      keys.length === 0 ? 'Reading …' : all.checked ? 'No key has that in it.' : 'Nothing that was set has that in it: the rest are defaults.');
  }

  async function refresh() {
    keys = (await ask('GET', 'configuration', {signal: leaving.signal})).configuration;
    show();
  }

  const element = el('div', {}, el('h1', {}, 'Configuration'),
    el('p', {class: 'filter'}, el('label', {for: 'configuration-text'}, 'Key or value'), text,
      el('label', {for: 'configuration-all'}, 'Defaults, too'), all), note, list.element);
  return {title: 'Configuration', element, refresh, close: () => leaving.abort()};
}
