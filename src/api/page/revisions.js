// What each revision of a message said and how long it took; what an answer has changed, line by line.
import {el, setText, show} from './dom.js';
import {age, precise} from './format.js';
import {itemTexts, memberText, pretty} from './json_text.js';

const pairs_max = 1000000;
const lines_shown_max = 2000;

/** {element, show(text)}: `text` is the answer of GET messages/{id}/history. */
export function revisionsList() {
  const list = el('div', {class: 'revisions'});
  const element = el('section', {hidden: true}, el('h2', {}, 'Revisions'), list);
  let shown = '';

  function showAll(text) {
    const revisions = itemTexts(memberText(text, 'revisions') ?? '[]').map(one => ({...JSON.parse(one), raw: one}));
    show(element, revisions.length > 0);
    const now = JSON.stringify(revisions);
    if (now === shown) return;
    shown = now;
    const opened = new Set([...list.children].filter(one => one.open).map(one => one.dataset.revision));
    list.replaceChildren(...revisions.map((one, i) => revisionElement(one, revisions[i - 1], opened.has(String(one.revision)))));
  }

  return {element, show: showAll};
}

function revisionElement(one, before, is_open) {
  const follows = before?.revision === one.revision - 1 ? before : undefined;
  const content = el('div', {});
  const times = [one.waited_ms === undefined ? null : `waited ${age(one.waited_ms)}`,
    one.worked_ms === undefined ? null : `worked on for ${age(one.worked_ms)}`].filter(part => part);
  const element = el('details', {'data-revision': String(one.revision)},
    el('summary', {}, `Revision ${one.revision}`, one.queue ? ` in ${one.queue}` : '', times.length ? `: ${times.join(', ')}` : '',
      one.by ? [` by `, el('span', {class: 'code'}, one.by)] : null),
    content);
  const fill = () => {
    if (element.open && !content.firstChild) content.replaceChildren(...bodyOf(one, follows));
  };
  element.addEventListener('toggle', fill);
  element.open = is_open;
  return element;
}

function bodyOf(one, before) {
  const times = [['Stored', one.stored_at], ['Rung', one.rung_at], ['Claimed', one.claimed_at], ['Answered', one.answered_at]]
    .filter(([, at]) => at).map(([name, at]) => `${name} ${precise(at)}`);
  const facts = el('p', {class: 'quiet'}, times.join(' · '), one.claim ? ` · claim ${one.claim}` : '');
  if (one.content_gone) return [facts, el('p', {class: 'quiet'}, 'What it said was not kept, or was erased.')];
  const text = said(one);
  const pre = el('pre', {class: 'content', tabindex: '0', role: 'region', 'aria-label': `What revision ${one.revision} said`});
  const whole = () => setText(pre, text.slice(0, 100000));
  whole();
  if (!before || before.content_gone) return [facts, pre];
  const box = el('input', {type: 'checkbox'});
  box.addEventListener('change', () => {
    if (!box.checked) return whole();
    pre.replaceChildren(...lineDiff(said(before).split('\n'), text.split('\n')).slice(0, lines_shown_max).map(diffLine));
  });
  return [facts, el('label', {class: 'quiet'}, box, ` What has changed since revision ${before.revision}`), pre];
}

function diffLine({sign, line}) {
  const name = {'+': 'ins', '-': 'del'}[sign] ?? 'span';
  return el(name, {class: 'line'}, `${sign} ${line}\n`);
}

/** A value with a line for each member, with the digits that were sent. */
function said(one) {
  if ('message_base64' in one) return one.message_base64;
  return typeof one.message === 'string' ? one.message : pretty(memberText(one.raw, 'message'));
}

/** [{sign: '-', '+' or ' ', line}]. Texts that are unlike in very many lines are told as the one and then the other. */
export function lineDiff(before, after) {
  let first = 0, last = 0;
  while (first < before.length && first < after.length && before[first] === after[first]) ++first;
  while (last < before.length - first && last < after.length - first && before.at(-1 - last) === after.at(-1 - last)) ++last;
  const gone = before.slice(first, before.length - last), come = after.slice(first, after.length - last);
  const as = sign => line => ({sign, line});
  return [...before.slice(0, first).map(as(' ')), ...middle(gone, come).map(([sign, line]) => ({sign, line})),
    ...before.slice(before.length - last).map(as(' '))];
}

function middle(gone, come) {
  if ((gone.length + 1) * (come.length + 1) > pairs_max) return [...gone.map(line => ['-', line]), ...come.map(line => ['+', line])];
  const width = come.length + 1;
  const common = new Uint32Array((gone.length + 1) * width);
  for (let i = gone.length - 1; i >= 0; --i)
    for (let j = come.length - 1; j >= 0; --j)
      common[i * width + j] = gone[i] === come[j] ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  const told = [];
  let i = 0, j = 0;
  while (i < gone.length || j < come.length) {
    if (i < gone.length && j < come.length && gone[i] === come[j]) told.push([' ', gone[i++]]), ++j;
    else if (i < gone.length && (j === come.length || common[(i + 1) * width + j] >= common[i * width + j + 1])) told.push(['-', gone[i++]]);
    else told.push(['+', come[j++]]);
  }
  return told;
}
