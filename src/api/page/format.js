// Numbers, times and texts for people.

const numbers = new Intl.NumberFormat('en');

export function count(n) {
  return n === null || n === undefined ? '–' : numbers.format(n);
}

export function counted(n, one, many = one + 's') {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** Of something a second. */
export function rate(n) {
  if (n === null || n === undefined) return '–';
  return n >= 10 || Number.isInteger(n) ? numbers.format(Math.round(n)) : n.toFixed(1);
}

const minute = 60, hour = 60 * minute, a_day = 24 * hour;

/** Cut, not rounded, at the same steps as in the broker's sentences: both say the same. */
export function age(ms) {
  if (ms === null || ms === undefined) return '–';
  const s = Math.max(0, ms) / 1000, whole = unit => Math.floor(s / unit);
  if (s === 0) return '0 s';
  if (s < 1) return `${Math.floor(ms)} ms`;
  if (s < 10) return `${(Math.floor(s * 10) / 10).toFixed(1)} s`;
  if (s < 2 * minute) return `${whole(1)} s`;
  if (s < 2 * hour) return `${whole(minute)} min`;
  if (s < 2 * a_day) return `${whole(hour)} h`;
  return `${whole(a_day)} days`;
}

// Times are UTC everywhere, as in the broker's sentences and its log.

function day(date) {
  return date.toISOString().slice(0, 10);
}

export function clock(date) {
  return `${date.toISOString().slice(11, 19)} UTC`;
}

/** The day only where it is not today. */
export function moment(text, now = new Date()) {
  const date = new Date(text);
  if (isNaN(date)) return String(text);
  return day(date) === day(now) ? clock(date) : `${day(date)} ${clock(date)}`;
}

export function precise(text) {
  const date = new Date(text);
  return isNaN(date) ? String(text) : `${day(date)} ${date.toISOString().slice(11, 23)} UTC`;
}

export function bytes(n) {
  if (n < 1024) return `${n} bytes`;
  return n < 1 << 20 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / (1 << 20)).toFixed(1)} MiB`;
}

export function shortened(text, max) {
  const all = Array.from(text);
  return all.length <= max ? text : all.slice(0, max - 1).join('') + '…';
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function isId(text) {
  return uuid.test(text);
}

/** The first id of a moment: ids begin with the milliseconds at which their message was accepted. */
export function idAt(ms) {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

export function timeOfId(id) {
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** What a message says, in one line. */
export function preview(message, max = 120) {
  if ('message_base64' in message) return `${bytes(bytesOf(message.message_base64))} of ${message.content_type ?? 'bytes'}`;
  const text = typeof message.message === 'string' ? message.message : JSON.stringify(message.message);
  return shortened(text.replace(/\s+/g, ' '), max);
}

export function bytesOf(base64) {
  return base64.length / 4 * 3 - (base64.match(/=*$/)[0].length);
}

export function latestError(message) {
  return message.attempts?.at(-1)?.error ?? '';
}
