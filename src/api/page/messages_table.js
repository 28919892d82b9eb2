// A list of messages, as a queue, a search and the dead letters show it.
import {latestError, moment, preview, shortened} from './format.js';
import {markOf, stateOf} from './state.js';
import {table} from './table.js';

const error_max = 160;

export function messageLink(id) {
  return `#/messages/${id}`;
}

function heldBy(message) {
  const words = {held: 'held by', 'left unanswered': 'left by'}[stateOf(message)];
  return words && message.holder ? `${words} ${message.holder}` : '';
}

export function messagesTable(caption) {
  return table({
    caption,
    key: message => message.id,
    columns: [
      {title: 'Message', kind: 'code', text: m => m.id, href: m => messageLink(m.id)},
      {title: 'Status', kind: 'status', text: stateOf, mark: markOf},
      {title: 'Queue', kind: 'name', text: m => m.queue ?? m.last_queue ?? '–'},
      {title: 'Accepted', kind: 'time', text: m => moment(m.created_at)},
      {title: 'Says', kind: 'wide', text: m => preview(m), note: m => shortened(latestError(m), error_max) || heldBy(m),
        mark: m => latestError(m) ? 'poor' : null},
    ],
  });
}
